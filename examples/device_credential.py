"""A device with an identity: python3 device_credential.py ID FOLDER https://HOST:PORT MQTT_PORT  (needs: pip install paho-mqtt)
FOLDER holds device.pem (its certificate), device.key and ca.pem, and then the software. Both grants are understood."""
import hashlib, json, ssl, sys, urllib.parse, urllib.request
import paho.mqtt.client as mqtt

device_id, root, server, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
tls = ssl.create_default_context(cafile=f"{root}/ca.pem")
tls.load_cert_chain(f"{root}/device.pem", f"{root}/device.key")
web = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls))
last = {}  # the last job and what came of it: a command that is repeated is not applied twice


def download(url, grant, job_id):
    headers = {}
    if grant == "credential":  # the URL is plain: ask for a token, which is good only with this certificate
        ask, kind = json.dumps({"jobID": job_id}).encode(), {"Content-Type": "application/json"}
        credential = json.load(web.open(urllib.request.Request(f"{server}/device/v1/credential", ask, kind)))
        url, headers = credential["url"], {"Authorization": f"Bearer {credential['token']}"}
    return web.open(urllib.request.Request(url, headers=headers)).read()


def on_delta(client, userdata, message):
    delta = json.loads(message.payload)
    job_id, url = delta.get("jobID"), delta["state"].get("softwareURL")
    if url and last.get("job") != job_id:
        software = download(url, delta.get("grant"), job_id)
        good = hashlib.sha256(software).hexdigest() == delta["software"]["sha256"]
        if good:
            with open(f"{root}/software", "wb") as file:
                file.write(software)
        last.update(job=job_id, result="SUCCESS" if good else "FAILURE the bytes are not those of the release")
    if url:
        client.publish(f"state/{device_id}/update", f"jobID:{job_id} {last['result']}", qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id)
client.tls_set_context(tls)
client.on_connect = lambda c, *_: c.subscribe(f"state/{device_id}/update/delta", qos=1)
client.on_message = on_delta
client.connect(urllib.parse.urlsplit(server).hostname, port)
client.loop_forever()
