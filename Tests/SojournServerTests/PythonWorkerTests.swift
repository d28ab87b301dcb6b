import Foundation
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// Workers in another language, in processes of their own.
@Suite(.enabled(if: SecureRun.certificate == nil, "the worker of the README speaks plain HTTP"))
struct PythonWorkerTests {
    /// The worker of the README: standard library only.
    static let worker = #"""
        import json, sys, urllib.request

        BASE, AGENT = sys.argv[1], sys.argv[2]  # http://127.0.0.1:3000 and the agent's UUID

        def post(path, body):
            request = urllib.request.Request(BASE + "/api/messaging" + path, json.dumps(body).encode(),
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=40) as answer:
                return json.load(answer)

        def reply(turn):  # put your model here; turn["history"] has what was said before
            for word in ("You said: " + turn["messages"][-1]["content"]).split(" "):
                yield word + " "

        def work(turn):
            path, lease = "/turns/" + turn["turnId"], {"leaseToken": turn["leaseToken"]}
            message, text = turn["turnId"] + "-" + turn["leaseToken"][-8:], ""
            for index, piece in enumerate(reply(turn)):
                post(path + "/deltas", {**lease, "messageId": message, "index": index, "text": piece})
                text += piece
            post(path + "/complete", {**lease, "message": {"messageId": message, "content": text.strip()}})

        while True:
            try:
                for turn in post("/agents/%s/turns/claim?wait=20s" % AGENT, {})["turns"]:
                    work(turn)
            except urllib.error.HTTPError as error:
                print(error.code, error.read().decode(), file=sys.stderr)  # 409: it was interrupted

        """#

    @Test func `the thirty lines of Python of the README answer messages`() async throws {
        #expect(Self.worker.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        let folder = TemporaryFolder()
        try Self.worker.write(toFile: folder.file("worker.py"), atomically: true, encoding: .utf8)
        let id = try await node.create()
        _ = try await node.say("are you there?", in: id)
        let python = try TestProcess(
            "/usr/bin/python3", [folder.file("worker.py"), "http://127.0.0.1:\(node.server.port)", TurnNode.agent])
        try await eventually(within: 20, "what was said before it came is answered") {
            try await node.events(id).contains { $0["data"]?["content"] == "You said: are you there?" }
        }
        let answer = try await node.say("good morning", in: id, ["transport": "http"])
        #expect(answer.body["agentResponse"]?["text"] == "You said: good morning", "\(answer)")
        python.kill9()
        await node.stop()
    }

    @Test func `the turn of a killed worker starts again within its lease and a second`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        let folder = TemporaryFolder()
        let sleeper = Self.worker.replacing("wait=20s", with: "wait=20s&lease=2s")
            .replacing("    work(turn)", with: "    __import__('time').sleep(600)")
        try sleeper.write(toFile: folder.file("worker.py"), atomically: true, encoding: .utf8)
        let id = try await node.create()
        let python = try TestProcess(
            "/usr/bin/python3", [folder.file("worker.py"), "http://127.0.0.1:\(node.server.port)", TurnNode.agent])
        _ = try await node.say("hello", in: id)
        try await eventually(within: 20, "it runs") {
            try await node.events(id).contains { $0["type"] == "turn.started" }
        }
        python.kill9()
        let turn = try #require(try await node.claim("wait=20s").first)
        #expect(turn["attempt"]?.int == 2)
        let starts = try await node.events(id).filter { $0["type"] == "turn.started" }.compactMap { $0["at"]?.int }
        try #require(starts.count == 2)
        #expect(starts[1] - starts[0] <= 3_000, "\(starts[1] - starts[0]) ms")
        let zombie = TurnID(session: try #require(SessionID(id)), number: 1)
        let late = try await node.call("POST", "/turns/\(zombie)/complete", ["leaseToken": "1.0", "message": "late"])
        #expect(late.status == 409)
        #expect(try await node.work(turn, "complete", ["message": "here"]).status == 200)
        await node.stop()
    }
}
