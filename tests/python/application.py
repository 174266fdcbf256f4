"""An application: application.py DEVICE PORT VERSION TOKEN UPDATE [ROOT]. Publishes one update, prints all that it may watch.
With a root (PEM) it speaks TLS; it has no certificate."""
import json
import ssl
import sys

import paho.mqtt.client as mqtt

device_id, port, version, token, update = sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe([(f"state/+/update/{kind}", 1) for kind in ("accepted", "rejected", "delta")])


def on_subscribe(client, *_):
    client.publish(f"state/{device_id}/update", update, qos=1)


def on_message(client, userdata, message):
    print(json.dumps({"topic": message.topic, "payload": json.loads(message.payload)}), flush=True)


client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2,
    client_id="application",
    protocol=mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311,
)
if len(sys.argv) > 6:
    client.tls_set_context(ssl.create_default_context(cafile=sys.argv[6]))
client.username_pw_set("application", token)
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", port)
client.loop_forever()
