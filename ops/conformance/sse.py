"""Called by ops/conformance/sse with the path of the built program: see there."""

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import httpx
import httpx_sse
import requests
import sseclient
from aiohttp_sse_client import client as aiohttp_sse

AGENT, USER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
# What parsers of lines get wrong: other line ends, field names, colons, blank lines, astral characters.
SAYINGS = ["hello", "two\nlines\r\nand\rmore", "data: not a field\nid: 7\n\nevent: none", ": no comment", "a\u2028b\u2029c\x0bd\x0ce\x85f",
           "😀 é 中文 \u0000?", "x" * 3990, " leading and trailing ", '"quoted" \\ and {"json": [1]}']


class Node:
    def __init__(self, program, folder):
        self.log = open(folder + "/node.log", "w")
        self.process = subprocess.Popen([program, "serve", "--port", "0", "--data", folder + "/data", "--test-clock"],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if "listens" in line:
                self.url = line.split()[1]
                return
        raise SystemExit("the node did not start: " + open(folder + "/node.log").read())

    def ask(self, method, path, body=None):
        base = self.url if path.startswith("/test") else self.url + "/api/messaging"
        request = urllib.request.Request(base + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def read_httpx(url, take):
    with httpx.Client(timeout=60) as client, httpx_sse.connect_sse(client, "GET", url) as source:
        for event in source.iter_sse():
            if take(event.event, event.id, event.data):
                return


def read_sseclient(url, take):
    for event in sseclient.SSEClient(requests.get(url, stream=True, timeout=60)).events():
        if take(event.event, event.id, event.data):
            return


def read_aiohttp(url, take):
    async def read():
        async with aiohttp_sse.EventSource(url) as source:
            async for event in source:
                if take(event.type, event.last_event_id, event.data):
                    return

    asyncio.run(read())


READERS = {"httpx-sse": read_httpx, "sseclient-py": read_sseclient, "aiohttp-sse-client": read_aiohttp}


class Reading:
    """One parser's view of the conversation."""

    def __init__(self, name, url):
        self.events, self.fault, self.ready, self.started = [], None, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, args=(name, url), daemon=True)
        self.thread.start()

    def run(self, name, url):
        try:
            READERS[name](url, self.take)
        except Exception as error:  # a parser that gives up is what this looks for
            self.fault = f"{type(error).__name__}: {error}"
        self.ready.set()

    def take(self, event, cursor, data):
        self.events.append((event, cursor or None, data))
        if event == "stream.ready":
            self.ready.set()
        return event == "stream.end"


def converse(node, session):
    """Everything that a stream can bring, and a pause in which only heartbeats come."""
    path = f"/sessions/{session}"
    for saying in SAYINGS:
        node.ask("POST", path + "/messages", {"content": saying})
    time.sleep(17)
    node.ask("POST", path + "/renew")
    node.ask("PATCH", path + "/timeout", {"timeoutMinutes": 20})
    turn = node.ask("POST", f"/agents/{AGENT}/turns/claim?lease=5m&wait=5s")["turns"][0]
    own = {"leaseToken": turn["leaseToken"], "messageId": "m-1"}
    text = ""
    for index, piece in enumerate(SAYINGS * 3):
        node.ask("POST", f"/turns/{turn['turnId']}/deltas", dict(own, index=index, text=piece))
        text += piece
    node.ask("POST", f"/turns/{turn['turnId']}/complete", {"leaseToken": turn["leaseToken"],
                                                           "message": {"messageId": "m-1", "content": text}})
    log = node.ask("GET", path + "/events?limit=1000")["events"]
    node.ask("DELETE", path)
    return log, text


def check(holds, sentence):
    if not holds:
        raise SystemExit("error: " + sentence)


def main():
    with tempfile.TemporaryDirectory(prefix="sojourn-sse.") as folder:
        node = Node(sys.argv[1], folder)
        try:
            node.ask("POST", f"/agents/{AGENT}/turns/claim")
            session = node.ask("POST", "/sessions", {"agentId": AGENT, "userId": USER})["sessionId"]
            url = f"{node.url}/api/messaging/sessions/{session}/stream?after=0"
            readings = {name: Reading(name, url) for name in READERS}
            for name, reading in readings.items():
                check(reading.ready.wait(20) and reading.fault is None, f"{name} never was ready: {reading.fault}")
            log, text = converse(node, session)
            for name, reading in readings.items():
                reading.thread.join(30)
                check(not reading.thread.is_alive() and reading.fault is None, f"{name} did not come to the end: {reading.fault}")
        finally:
            node.stop()
        first = readings["httpx-sse"].events
        for name, reading in readings.items():
            events = reading.events
            check(all(event.count(".") >= 1 and data.startswith('{"v":1,') for event, _, data in events),
                  f"{name} saw an event that nobody sent: {[e for e in events if not e[2].startswith('{')][:3]}")
            parsed = [json.loads(data) for _, _, data in events]
            check([event for event, _, _ in events] == [data["type"] for data in parsed], f"{name}: a type is not that of its event")
            durable = [data for data in parsed if "seq" in data]
            # What was read back before the end; then come the turns that end with the session, and its end.
            check(durable[:len(log)] == log, f"{name}: the durable events are not the log")
            check([data["seq"] for data in durable] == list(range(1, len(durable) + 1)), f"{name}: {[d['seq'] for d in durable]}")
            check(durable[-1]["type"] == "session.ended" and parsed[-1]["type"] == "stream.end", f"{name}: {parsed[-1]}")
            spoken = "".join(data["data"]["text"] for data in parsed if data["type"] == "agent.message.delta")
            check(spoken == text, f"{name}: the deltas are not the text")
            # Those of the stream itself are made for each.
            common, its = ([(e, d) for e, _, d in them if not e.startswith("stream.")] for them in (first, events))
            check(its == common, f"{name} and httpx-sse differ")
            for (_, cursor, _), data in zip(events, parsed):
                if "seq" in data:
                    check(cursor == f"{data['epoch']}:{data['seq']}", f"{name}: the id {cursor} is not that of {data}")
            print(f"{name}: {len(events)} events, {len(durable)} of them durable, {len(text)} characters of deltas")


main()
