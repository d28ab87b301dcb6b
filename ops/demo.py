"""The demo: one Redis, two nodes, one conversation from its first message to the archive.

Called by ops/demo with the path of the built program. Time is moved by the nodes' test clock, so half an hour passes
in seconds. Whatever is not as it should be ends the demo with a sentence and exit code 1.
"""

import ctypes
import datetime
import http.client
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata

CONVERSATION = pathlib.Path(__file__).with_name("demo-conversation.jsonl")
SESSIONS = "/api/messaging/sessions"
AGENT, USER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
MINUTE = 60_000
PATIENCE = 8  # seconds that anything may take to come


class Wrong(Exception):
    """Something is not as it should be."""


def check(holds, sentence):
    if not holds:
        raise Wrong(sentence)


# What a person sees


def styled(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def short(text, columns):
    """The beginning of a text on one line: control and format characters as a dot, wide signs count twice."""
    line, width = "", 0
    for sign in text:
        kind = unicodedata.category(sign)
        if kind in ("Cc", "Cf", "Zl", "Zp") and sign != "\u200d":
            sign = "·"
        width += 0 if kind in ("Mn", "Me") else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        if width > columns:
            return line + "…"
        line += sign
    return line


def moment(text):
    """Milliseconds of an instant such as 2026-11-20T00:33:26.249Z."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def left(session):
    """The time that a session has left, as minutes and seconds."""
    seconds = (session["timeRemaining"] + 500) // 1000
    return f"{seconds // 60}:{seconds % 60:02}"


class Timeline:
    """Prints what happens, with the session's own time."""

    def __init__(self):
        self.origin = None

    def chapter(self, title):
        print(f"\n{styled('1', title)}", flush=True)

    def say(self, where, what, at=None):
        clock = ""
        if at is not None:
            self.origin = at if self.origin is None else self.origin
            seconds = (at - self.origin) // 1000
            clock = f"{seconds // 60}:{seconds % 60:02}"
        print(f"  {styled('2', clock.rjust(5))}  {styled('36', where.ljust(9))} {what}", flush=True)


# Processes


def die_with_parent():
    """The kernel ends a child whose parent is gone (prctl PR_SET_PDEATHSIG), even when that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Processes:
    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, name, arguments):
        with open(f"{self.folder}/{name}.log", "wb") as log:
            output = open(f"{self.folder}/{name}.out", "wb")
            process = subprocess.Popen(
                arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=log,
                preexec_fn=die_with_parent,
                env={key: value for key, value in os.environ.items() if not key.startswith(("SOJOURN_", "SESSION_"))})
            output.close()
        self.running.append(process)
        return process

    def text(self, name, suffix):
        return pathlib.Path(f"{self.folder}/{name}.{suffix}").read_text(errors="replace")

    def end(self, process, limit=10):
        """Asks a process to stop and returns its exit code."""
        process.terminate()
        code = process.wait(limit)
        self.running.remove(process)
        return code

    def kill(self):
        for process in self.running:
            process.kill()
            process.wait()


def wait(sentence, condition, limit=PATIENCE):
    end = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < end, f"{sentence}: not within {limit} s")
        time.sleep(0.02)


class Redis:
    """One connection that asks one command at a time (RESP2)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        request = b"*%d\r\n" % len(words)
        for word in words:
            request += b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode())
        self.socket.sendall(request)
        return self.answer()

    def answer(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest.decode()


def answers(path):
    try:
        return Redis(path).ask("PING") == "PONG"
    except OSError:
        return False


class Node:
    def __init__(self, name, program, processes, redis, *more):
        self.name, self.processes = name, processes
        self.process = processes.start(name, [
            program, "serve", "--port", "0", "--redis", f"unix:{redis}", "--node-name", name, "--test-clock", *more])
        self.port = wait(f"{name} starts", self.listening)

    def listening(self):
        check(self.process.poll() is None, f"{self.name} ended at its start: " + self.processes.text(self.name, "log"))
        for line in self.processes.text(self.name, "out").splitlines():
            if "listens" in line:
                return int(line.rsplit(":", 1)[1])
        return None

    def ask(self, method, path, body=None):
        """One request; returns the status and the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        status, answer = response.status, response.read()
        connection.close()
        return status, json.loads(answer)

    def must(self, expected, method, path, body=None):
        status, answer = self.ask(method, path, body)
        check(status == expected, f"{method} {path} on {self.name} answered {status}, not {expected}: {answer}")
        return answer


class Stream:
    """Reads a session's Server-Sent Events on a thread of its own."""

    def __init__(self, node, session):
        self.events, self.inbox = [], queue.Queue()
        self.connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        self.connection.request("GET", f"{SESSIONS}/{session}/stream?after=0")
        self.response = self.connection.getresponse()
        check(self.response.status == 200, f"the stream on {node.name} answered {self.response.status}")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        fields = {}
        try:
            for line in self.response:
                name, _, value = line.rstrip(b"\n").partition(b": ")
                if name:
                    fields[name] = value
                elif b"data" in fields:
                    self.inbox.put(fields)
                    fields = {}
        except OSError:
            pass
        self.inbox.put(None)

    def next(self):
        """The next event, as (type, id, bytes of the data, data)."""
        try:
            fields = self.inbox.get(timeout=PATIENCE)
        except queue.Empty:
            raise Wrong("the stream fell silent") from None
        if fields is None:
            return None
        check(fields.get(b"event"), f"a frame has no event: {fields}")
        data = fields[b"data"]
        event = (fields[b"event"].decode(), fields.get(b"id", b"").decode(), data, json.loads(data))
        check(event[3]["type"] == event[0], f"a frame is called {event[0]}, its data {event[3]['type']}")
        self.events.append(event)
        return event

    def until(self, kind):
        while (event := self.next()) is not None:
            if event[0] == kind:
                return event[3]
        raise Wrong(f"the stream ended before {kind} came")

    @property
    def durable(self):
        return [event for event in self.events if "seq" in event[3]]


# The story


class Demo:
    def __init__(self, program, folder, processes):
        self.program, self.folder, self.processes = program, folder, processes
        self.line = Timeline()
        self.conversation = [json.loads(line) for line in CONVERSATION.read_text("utf-8").splitlines()]
        self.texts = [message["content"] for message in self.conversation]

    def run(self):
        self.open()
        self.talk()
        self.live()
        self.history()
        self.expire()
        self.transcript()
        self.close()

    def open(self):
        self.line.chapter("One Redis, two nodes")
        self.socket = f"{self.folder}/redis.sock"
        os.mkdir(f"{self.folder}/redis")
        self.redis = self.processes.start("redis", [
            "redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", f"{self.folder}/redis",
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"])
        wait("redis-server answers", lambda: answers(self.socket))
        self.line.say("redis", f"unix:{self.socket}, append-only file, fsync always")
        self.archive = f"{self.folder}/archive.sqlite"
        self.a = Node("node-a", self.program, self.processes, self.socket, "--archive", self.archive)
        self.b = Node("node-b", self.program, self.processes, self.socket)
        self.line.say("node-a", f"http://127.0.0.1:{self.a.port}, archives to {self.archive}")
        self.line.say("node-b", f"http://127.0.0.1:{self.b.port}")

    def talk(self):
        self.line.chapter("A conversation")
        created = self.a.must(201, "POST", SESSIONS, {
            "agentId": AGENT, "userId": USER, "metadata": {"traveller": "Mira"},
            "timeoutConfig": {
                "timeoutMinutes": 10, "maxDurationMinutes": 30, "warningThresholdMinutes": 3, "autoRenew": True}})
        self.id = created["sessionId"]
        self.path = f"{SESSIONS}/{self.id}"
        self.stream = Stream(self.b, self.id)
        first = self.stream.until("session.created")
        self.line.say("node-a", f"session {self.id}", first["at"])
        self.line.say("", "times out after 10 min of silence, warns 3 min before, ends after 30 min at the latest")
        self.line.say("node-b", "streams it: session.created", first["at"])
        for number, message in enumerate(self.conversation):
            node = (self.a, self.b)[number % 2]
            sent = node.must(201, "POST", f"{self.path}/messages", {"content": message["content"]})
            check(sent["content"] == message["content"], f"message {number + 1} was answered with another text")
            event = self.stream.until("user.message")
            check(event["seq"] == sent["seq"], f"message {number + 1} has seq {sent['seq']}, the stream {event['seq']}")
            check(event["data"]["content"] == message["content"], f"the stream has another text for message {number + 1}")
            self.line.say(node.name, short(message["content"], 78), event["at"])
        units = [len(text.encode("utf-16-le")) // 2 for text in self.texts]
        languages = {message["language"] for message in self.conversation}
        check(len(self.texts) >= 60 and units.count(4000) == 1, "the conversation is too short, or not long enough")
        total = f"{sum(units)} characters, {len(languages)} languages and tricks"
        self.line.say("node-b", f"streamed all {len(units)} messages: {total}")

    def later(self, minutes):
        self.a.must(200, "POST", "/test/clock", {"advanceMs": int(minutes * MINUTE)})

    def beat(self, node):
        """A heartbeat; returns the session."""
        session = node.must(200, "POST", f"{self.path}/heartbeat")
        now = moment(session["expiresAt"]) - session["timeRemaining"]
        self.line.say(node.name, f"heartbeat: {left(session)} left" + ("" if session["extended"] else ", no more"), now)
        return session

    def warned(self):
        warning = self.stream.until("session.expiring")
        rest = warning["data"]["timeRemaining"]
        check(0 < rest <= 3 * MINUTE, f"the warning came {rest} ms before the deadline")
        self.line.say("node-b", styled("33", f"session.expiring: {left(warning['data'])} left"), warning["at"])
        return warning["data"]["canRenew"]

    def live(self):
        self.line.chapter("Heartbeats, a warning, a renewal")
        self.later(4)
        check(self.beat(self.b)["extended"], "a heartbeat did not extend the session")
        self.later(7.5)
        check(self.warned(), "the first warning said that nothing can be renewed")
        info = self.a.must(200, "GET", self.path)
        check(info["phase"] == "expiring" and info["isNearExpiration"], f"the phase is {info['phase']}, not expiring")
        info = self.b.must(200, "POST", f"{self.path}/renew")
        renewed = self.stream.until("session.renewed")
        check(renewed["data"]["expiresAt"] == info["expiresAt"], "session.renewed names another deadline than renew")
        check(9.9 * MINUTE < info["timeRemaining"] <= 10 * MINUTE, f"renewed for {info['timeRemaining']} ms")
        self.line.say("node-b", styled("32", f"renewed: {left(info)} left, and session.renewed"), renewed["at"])
        for node in (self.a, self.b):
            self.later(6)
            session = self.beat(node)
        cap = moment(session["createdAt"]) + 30 * MINUTE
        check(moment(session["expiresAt"]) == cap, f"it expires at {session['expiresAt']}, not at its cap")
        check(not self.beat(self.a)["extended"], "a heartbeat extended the session beyond its cap")
        status, answer = self.a.ask("POST", f"{self.path}/renew")
        check(status == 422, f"a renewal at the cap answered {status}")
        self.line.say("node-a", f"renew: 422 {answer['error']['message'].split(': ', 1)[1]}")

    def history(self):
        self.line.chapter("The history, page by page")
        for node in (self.a, self.b):
            pages, cursor = [], ""
            while True:
                page = node.must(200, "GET", f"{self.path}/messages?limit=25{cursor}")
                pages.append(page["messages"])
                if not page["hasMore"]:
                    break
                cursor = "&before=" + page["cursors"]["before"]
            texts = [message["content"] for page in pages for message in page][::-1]
            self.compare(texts, f"the history on {node.name}")
            sizes = " + ".join(str(len(page)) for page in pages)
            self.line.say(node.name, f"{sizes} messages: each one once, in order, byte for byte")
        head = self.a.must(200, "GET", self.path)["version"]
        logs = [node.must(200, "GET", f"{self.path}/events?limit=1000&after=0")["events"] for node in (self.a, self.b)]
        check(logs[0] == logs[1] and len(logs[0]) == head, "the logs of the two nodes differ")

    def compare(self, texts, where):
        """Both lists must be the same, byte for byte."""
        check(len(texts) == len(self.texts), f"{where} has {len(texts)} messages, not {len(self.texts)}")
        for number, (got, sent) in enumerate(zip(texts, self.texts), 1):
            check(got.encode() == sent.encode(), f"{where} has another text for message {number}: {got!r}")

    def expire(self):
        self.line.chapter("The end")
        self.later(4.5)
        check(not self.warned(), "the last warning said that the session can be renewed")
        self.later(2)
        expired = self.stream.until("session.expired")
        check(expired["data"]["reason"] == "maxDuration", f"it expired for {expired['data']['reason']}")
        self.line.say("node-b", styled("31", "session.expired: the maximum duration is over"), expired["at"])
        end = self.stream.until("stream.end")
        check(end["data"]["reason"] == "closed" and self.stream.next() is None, "the stream goes on after its end")
        self.line.say("node-b", "stream.end, and the connection closes")
        self.gone()

    def gone(self):
        for node in (self.a, self.b):
            for method, path in (("GET", ""), ("POST", "/messages"), ("POST", "/heartbeat"), ("POST", "/renew")):
                body = {"content": "Anybody there?"} if path == "/messages" else None
                status, answer = node.ask(method, self.path + path, body)
                check(status == 410, f"{method} {self.path}{path} on {node.name} answered {status}: {answer}")
            self.line.say(node.name, f"410 {answer['error']['message']}")

    def transcript(self):
        self.line.chapter("The transcript in SQLite")
        archive = wait("the archive has the session", self.archived)
        header, events = archive
        check([event[0] for event in events] == list(range(1, header + 1)), "the archive's log has gaps")
        streamed = [event[2] for event in self.stream.durable]
        check([event[2] for event in events] == streamed, "the archive and the stream differ in their bytes")
        messages = [(seq, json.loads(body)["data"]["content"]) for seq, kind, body in events if kind == "user.message"]
        self.compare([text for _, text in messages], "the archive")
        for seq, text in messages:
            print(f"  {styled('2', str(seq).rjust(5))}  {short(text, 88)}")
        counts = {}
        for _, kind, _ in events:
            counts[kind] = counts.get(kind, 0) + 1
        self.line.say("archive", ", ".join(f"{count} {kind}" for kind, count in counts.items()))
        self.line.say("archive", f"seq 1 to {header} without a gap, each event as node-b streamed it, byte for byte")
        life = wait("Redis lets go of the session", self.only_tombstone)
        self.line.say("redis", f"keeps a tombstone for {round(life / 3_600_000)} h, and nothing else of the session")
        page = self.a.must(200, "GET", f"{self.path}/messages?archived=1&limit=100")
        self.compare([message["content"] for message in page["messages"]][::-1], "the archive over HTTP")
        self.line.say("node-a", "serves the same from the archive, when asked with ?archived=1")
        self.gone()

    def archived(self):
        """Head and events of the committed hand-over, read from a file that the node goes on using."""
        with sqlite3.connect(f"file:{self.archive}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT handover, head FROM sessions WHERE id = ? AND state = 'committed'", (self.id,)).fetchall()
            check(len(rows) <= 1, "the archive has the session more than once")
            if not rows:
                return None
            events = database.execute(
                "SELECT seq, type, body FROM events WHERE handover = ? ORDER BY seq", (rows[0][0],)).fetchall()
        return rows[0][1], [(seq, kind, bytes(body)) for seq, kind, body in events]

    def only_tombstone(self):
        redis = Redis(self.socket)
        keys = [key for key in redis.ask("KEYS", "*") if self.id in key]
        return redis.ask("PTTL", keys[0]) if len(keys) == 1 and ":t:" in keys[0] else None

    def close(self):
        for node in (self.b, self.a):
            check(self.processes.end(node.process) == 0, f"{node.name} did not stop cleanly")
        check(self.processes.end(self.redis) == 0, "redis-server did not stop cleanly")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    began = time.monotonic()
    # Not TMPDIR: the path of a unix socket must be short.
    folder = tempfile.mkdtemp(prefix="sojourn-demo-", dir="/tmp")
    processes = Processes(folder)
    try:
        Demo(sys.argv[1], folder, processes).run()
    except (Wrong, OSError, http.client.HTTPException, subprocess.TimeoutExpired) as wrong:
        print(f"\n{styled('31', 'The demo went wrong:')} {wrong}", file=sys.stderr)
        for name in ("node-a", "node-b"):
            if os.path.exists(f"{folder}/{name}.log"):
                print(f"-- the log of {name}\n{processes.text(name, 'log')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        processes.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{styled('1;32', 'All of it is right.')} It took {time.monotonic() - began:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
