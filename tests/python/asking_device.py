"""A device that is told its delta, asks for it once more, and never acknowledges: asking_device.py ID PORT."""
import json
import sys

import paho.mqtt.client as mqtt

device_id, port = sys.argv[1], int(sys.argv[2])
asked = False


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe([(f"state/{device_id}/update/+", 1), (f"state/{device_id}/get/+", 1)])


def on_message(client, userdata, message):
    global asked
    print(json.dumps({"topic": message.topic, "payload": json.loads(message.payload)}), flush=True)
    if not asked:
        asked = True
        client.publish(f"state/{device_id}/get", b"", qos=1)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id)
client.on_connect, client.on_message = on_connect, on_message
client.connect("127.0.0.1", port)
client.loop_forever()
