"""A server that takes mail (aiosmtpd) and prints each one as a line of JSON.

python mailbox.py PORT starttls|implicit CERTIFICATE KEY NAME PASSWORD
"""
import email
import email.policy
import json
import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

port, tls, certificate, key, name, password = sys.argv[1:]


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(message["subject"]),
            "head": {name: str(value) for name, value in message.items()},
            "text": message.get_content(),
            "as": session.auth_data.login.decode() if session.auth_data else None,
            "defects": [str(defect) for defect in message.defects],
        }), flush=True)
        return "250 2.0.0 taken"


def authenticated(server, session, envelope, mechanism, given):
    fits = isinstance(given, LoginPassword) and (given.login, given.password) == (name.encode(), password.encode())
    session.auth_data = given if fits else None
    return AuthResult(success=fits, auth_data=given if fits else None, handled=False)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)
secured = {"ssl_context": context} if tls == "implicit" else {"tls_context": context, "require_starttls": True}
controller = Controller(
    Mailbox(), hostname="127.0.0.1", port=int(port), authenticator=authenticated, auth_required=True,
    auth_require_tls=tls == "starttls", **secured,
)
controller.start()
print("ready", flush=True)
signal.sigwait({signal.SIGTERM, signal.SIGINT})
controller.stop()
