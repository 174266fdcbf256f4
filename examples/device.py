"""A device in thirty lines: python3 device.py ID [HOST [PORT]]  (needs: pip install paho-mqtt)"""
import hashlib, json, sys, urllib.request
import paho.mqtt.client as mqtt

if len(sys.argv) < 2:
    sys.exit(__doc__)
device_id = sys.argv[1]
host = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
port = int(sys.argv[3]) if len(sys.argv) > 3 else 1883
last = {}  # the last job and what came of it: a command that is repeated is not applied twice


def apply_software(software, wanted):
    if wanted and hashlib.sha256(software).hexdigest() != wanted:
        return "FAILURE the bytes are not those of the release"
    with open(f"{device_id}.software", "wb") as file:
        file.write(software)
    return "SUCCESS"


def on_delta(client, userdata, message):
    delta = json.loads(message.payload)
    job_id, url = delta.get("jobID"), delta["state"].get("softwareURL")
    if url is None:
        return
    if last.get("job") != job_id:
        software = urllib.request.urlopen(url).read()
        last.update(job=job_id, result=apply_software(software, delta.get("software", {}).get("sha256")))
    client.publish(f"state/{device_id}/update", f"jobID:{job_id} {last['result']}", qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id)
client.on_connect = lambda c, *_: c.subscribe(f"state/{device_id}/update/delta", qos=1)
client.on_message = on_delta
client.connect(host, port)
client.loop_forever()
