"""The device of the pattern's example, transcribed: pattern_device.py ID PORT VERSION [ROOT]. Prints what it sees as JSON lines.
With a root (PEM) it speaks TLS, and is who ID.pem and ID.key say."""
import json
import ssl
import sys
import urllib.request

import paho.mqtt.client as mqtt

device_id, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tls = None
if len(sys.argv) > 4:
    tls = ssl.create_default_context(cafile=sys.argv[4])
    tls.load_cert_chain(f"{device_id}.pem", f"{device_id}.key")


def say(**what):
    print(json.dumps(what), flush=True)


def message_listener(message):
    # parse the message from raw format into something the program can use
    msg = json.loads(message.payload)
    say(topic=message.topic, payload=msg)
    # determine if the message is an update command type
    if "jobID" in msg and "softwareURL" in msg["state"]:
        # get the globally unique job ID from the command message
        job_id = msg["jobID"]
        # read the software update URL from the command message
        url = msg["state"]["softwareURL"]
        # download the software from the given URL
        software = urllib.request.urlopen(url, context=tls).read()
        # ..and apply the software update triggered by the specific job ID
        apply_software(software, job_id)


def apply_software(software, job_id):
    with open(f"{device_id}.software", "wb") as file:
        file.write(software)
    say(event="applied")
    # make a success message
    message = 'jobID:' + job_id + " SUCCESS"
    # the topic used to publish the acknowledge message
    topic = 'state/' + device_id + '/update'
    # ...and finally, publish the acknowledge message
    client.publish(topic, message, qos=1)


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id=device_id,
    protocol=mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311,
)
if tls:
    client.tls_set_context(tls)
client.on_connect = lambda *_: client.subscribe('state/' + device_id + '/update/delta', qos=1)
client.on_subscribe = lambda *_: say(event="subscribed")
client.on_message = lambda _client, _userdata, message: message_listener(message)
client.connect("127.0.0.1", port)
client.loop_forever()
