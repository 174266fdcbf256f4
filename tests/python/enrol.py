"""Gets a device its certificate: enrol.py ID URL ROOT TOKEN. The key is made here and stays here; needs openssl.
Writes ID.key and ID.pem (the certificate, then its issuer)."""
import json
import os
import ssl
import subprocess
import sys
import urllib.request

device_id, url, root, token = sys.argv[1:]
os.umask(0o077)
new_key = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
csr = subprocess.run(
    [*new_key, "-keyout", f"{device_id}.key", "-subj", f"/CN={device_id}"],
    check=True, capture_output=True, text=True,
).stdout
body = json.dumps({"token": token, "id": device_id, "csr": csr}).encode()
request = urllib.request.Request(f"{url}/device/v1/enrol", body, {"Content-Type": "application/json"})
issued = json.load(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=root)))
with open(f"{device_id}.pem", "w") as file:
    file.write(issued["certificate"])
print(json.dumps({"enrolled": issued["id"]}), flush=True)
