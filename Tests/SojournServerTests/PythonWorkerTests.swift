import Foundation
import Glibc
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// Workers in another language, in processes of their own.
@Suite(.enabled(if: SecureRun.certificate == nil, "the worker of the README speaks plain HTTP"))
struct PythonWorkerTests {
    /// The worker of the README, as it stands there.
    private func worker() throws -> String { try Readme.block("python") }

    @Test func `the thirty lines of Python of the README answer messages`() async throws {
        let worker = try self.worker()
        #expect(
            worker.split(separator: "\n", omittingEmptySubsequences: false).count <= 31, "and an end of the last line")
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        let folder = TemporaryFolder()
        try worker.write(toFile: folder.file("worker.py"), atomically: true, encoding: .utf8)
        let id = try await node.create()
        _ = try await node.say("are you there?", in: id)
        let python = try TestProcess(
            "/usr/bin/python3", [folder.file("worker.py"), "http://127.0.0.1:\(node.server.port)", TurnNode.agent])
        try await eventually(within: 60, "what was said before it came is answered") {
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
        let sleeper = try self.worker().replacing("wait=20s", with: "wait=20s&lease=2s")
            .replacing("    work(turn)", with: "    time.sleep(600)")
        try sleeper.write(toFile: folder.file("worker.py"), atomically: true, encoding: .utf8)
        let id = try await node.create()
        // A machine that is busy with other tests is given more than one chance to be quick.
        var waits: [Int] = []
        repeat {
            let python = try TestProcess(
                "/usr/bin/python3", [folder.file("worker.py"), "http://127.0.0.1:\(node.server.port)", TurnNode.agent])
            _ = try await node.say("hello", in: id)
            let number = waits.count + 1
            try await eventually(within: 60, "it runs") {
                try await node.events(id).contains {
                    $0["type"] == "turn.started" && $0["turnId"]?.string == "\(id).\(number)"
                }
            }
            python.kill9()
            let turn = try #require(try await node.claim("wait=30s").first)
            #expect(turn["attempt"]?.int == 2)
            let starts = try await node.events(id)
                .filter { $0["type"] == "turn.started" && $0["turnId"] == turn["turnId"] }.compactMap { $0["at"]?.int }
            try #require(starts.count == 2)
            waits.append(starts[1] - starts[0])
            #expect(try await node.work(turn, "complete", ["message": "here"]).status == 200)
        } while waits.last.map { $0 > 3_000 } == true && waits.count < 6
        print("a killed worker's turn started again \(waits) ms after its first start, with a lease of 2000 ms")
        #expect(waits.contains { $0 <= 3_000 }, "\(waits) ms")
        await node.stop()
    }

    @Test func `a worker that slept through its lease is refused, and its answer is nowhere`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TurnNode.start(on: redis)
        let folder = TemporaryFolder()
        let slow = try self.worker().replacing("import json", with: "import json, os")
            .replacing("wait=20s", with: "wait=20s&lease=1s")
            .replacing(
                "    post(path + \"/complete\"",
                with: "    open(sys.argv[3] + '.got', 'w').close()\n"
                    + "    while not os.path.exists(sys.argv[3] + '.go'): time.sleep(0.01)\n"
                    + "    post(path + \"/complete\""
            )
            .replacing("file=sys.stderr", with: "file=open(sys.argv[3] + '.err', 'a', 1)")
        try slow.write(toFile: folder.file("worker.py"), atomically: true, encoding: .utf8)
        let id = try await node.create()
        _ = try await node.say("hello", in: id)
        let python = try TestProcess(
            "/usr/bin/python3",
            [folder.file("worker.py"), "http://127.0.0.1:\(node.server.port)", TurnNode.agent, folder.file("zombie")])
        try await eventually(within: 60, "it is about to commit") {
            FileManager.default.fileExists(atPath: folder.file("zombie.got"))
        }
        python.signal(SIGSTOP)
        let turn = try #require(try await node.claim("wait=30s").first)
        #expect((turn["attempt"]?.int ?? 0) >= 2)
        #expect(try await node.work(turn, "complete", ["message": "here"]).status == 200)
        _ = FileManager.default.createFile(atPath: folder.file("zombie.go"), contents: nil)
        python.signal(SIGCONT)
        try await eventually(within: 60, "the late commit is refused") {
            (try? String(contentsOfFile: folder.file("zombie.err"), encoding: .utf8))?.contains("409") == true
        }
        python.kill9()
        let events = try await node.events(id)
        #expect(events.filter { $0["type"] == "agent.message" }.map { $0["data"]?["content"] } == ["here"])
        #expect(events.count { $0["type"] == "turn.completed" } == 1)
        await node.stop()
    }
}
