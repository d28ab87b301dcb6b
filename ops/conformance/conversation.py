"""A conversation over the `websockets` package: what two readers get must be what the log says, each event once."""

import asyncio
import json
import random
import sys
import urllib.request

import websockets

ADDRESS = sys.argv[1]
BASE = "http://%s/api/messaging/sessions" % ADDRESS
MESSAGES = 200


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


async def call(socket, op, **fields):
    await socket.send(json.dumps(dict(fields, op=op, id=op)))
    while True:
        answer = json.loads(await asyncio.wait_for(socket.recv(), 30))
        if answer.get("id") == op:
            assert answer["op"] in ("ok", "pong"), answer
            return answer


async def write(session):
    async with websockets.connect("ws://%s/api/messaging/ws" % ADDRESS) as socket:
        await call(socket, "ping")
        for number in range(MESSAGES):
            words = "%d é 😀 " % number + "x" * random.choice([0, 10, 200, 3000])
            answer = await call(socket, "message", sessionId=session, content=words)
            assert answer["message"]["userMessage"]["content"] == words
        await call(socket, "heartbeat", sessions=[session])


async def read(session, breaks):
    """Reads to the last message; every now and then it drops the connection and resumes."""
    events, cursor, connections = [], "0", 0
    while len(events) < MESSAGES + 1:
        connections += 1
        left = random.randint(1, 20) if breaks else MESSAGES * 2
        async with websockets.connect("ws://%s/api/messaging/ws" % ADDRESS) as socket:
            await socket.send(json.dumps({"op": "subscribe", "id": 1, "sessionId": session, "after": cursor}))
            while left > 0 and len(events) < MESSAGES + 1:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 30))
                if frame["op"] != "event":
                    assert frame["op"] == "ok", frame
                    continue
                cursor = frame.get("cursor", cursor)
                if "seq" in frame["event"]:
                    events.append(frame["event"])
                    left -= 1
                else:
                    assert frame["event"]["type"] == "stream.ready", frame
            if breaks and random.random() < 0.5:
                socket.transport.abort()
    return events, connections


async def main():
    session = ask("", {
        "agentId": "11111111-1111-4111-8111-111111111111", "userId": "22222222-2222-4222-8222-222222222222"
    })["sessionId"]
    _, (steady, _), (torn, connections) = await asyncio.gather(
        write(session), read(session, False), read(session, True))
    log = ask("/%s/events?limit=1000" % session)["events"]
    assert steady == log, "the steady reader differs from the log"
    assert torn == log, "the reader that comes and goes differs from the log"
    assert [event["seq"] for event in log] == list(range(1, MESSAGES + 2))
    print("  %d events, each once and in order, on one connection and on %d (websockets %s)" % (
        len(log), connections, websockets.__version__))


asyncio.run(main())
