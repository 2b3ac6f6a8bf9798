"""Verifies a DSSE envelope with securesystemslib, and that a changed one does not verify.

verify_dsse.py ENVELOPE PUBLIC_KEY.pem; prints the payload.
"""

import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

with open(sys.argv[1], "rb") as file:
    text = file.read()
with open(sys.argv[2], "rb") as file:
    public_key = load_pem_public_key(file.read())

# The key id in the envelope is a hint; this library finds keys by it.
key_id = json.loads(text)["signatures"][0]["keyid"]
key = SSlibKey.from_crypto(public_key, keyid=key_id)
envelope = Envelope.from_dict(json.loads(text))
envelope.verify([key], 1)

changed = Envelope.from_dict(json.loads(text))
changed.payload += b" "
try:
    changed.verify([key], 1)
except VerificationError:
    sys.stdout.buffer.write(envelope.payload)
    sys.exit(0)
sys.exit("a changed payload was accepted")
