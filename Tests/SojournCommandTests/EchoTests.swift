import Foundation
import Glibc
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournCommand

/// The demonstration worker, inside a node and beside it.
@Suite struct EchoTests {
    private static let agent = "11111111-1111-4111-8111-111111111111"

    private func post(_ path: String, _ body: JSON, port: Int) async throws -> (status: Int, body: JSON?) {
        let loop = EventLoop(name: "echo-test")
        return try await loop.run {
            try await HTTPCall.post(
                "/api/messaging/sessions" + path, body, to: HTTPCall.Address(.tcp(host: "127.0.0.1", port: port)),
                key: "k",
                on: loop)
        }
    }

    private func expectEcho(of text: String, port: Int) async throws {
        let user = "22222222-2222-4222-8222-222222222222"
        let created = try await self.post("", ["agentId": .string(Self.agent), "userId": .string(user)], port: port)
        let id = try #require(created.body?["sessionId"]?.string, "\(created)")
        let said = try await self.post(
            "/\(id)/messages", ["content": .string(text), "transport": "http"], port: port)
        #expect(said.body?["agentResponse"]?["text"] == .string("Echo: " + text), "\(said)")
        // On a busy machine the whole answer may be there before its reader is.
        var chunks: [JSON] = []
        for _ in 1...20 where chunks.count < 2 {
            let stream = try RawHTTP(port: port, deadlineMilliseconds: 60_000)
            let body = #"{"content":"in some pieces","transport":"sse"}"#
            try stream.send(
                "POST /api/messaging/sessions/\(id)/messages HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                    + "X-API-KEY: k\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            _ = try stream.readHead()
            var events: [RawEvent] = []
            while let event = try stream.readEvent() { events.append(event) }
            chunks = try events.filter { $0.event == "chunk" }.compactMap { try JSON.parse($0.data ?? "")["chunk"] }
            #expect(events.first?.event == "user_message" && events.last?.event == "done")
            #expect(chunks.compactMap(\.string).joined() == "Echo: in some pieces", "\(events)")
        }
        #expect(chunks == ["Echo: ", "in ", "some ", "pieces"])
    }

    @Test func `a node answers for the echo agent, and refuses agents that its file does not name`() async throws {
        let workspace = try Workspace()
        let file = workspace.path + "/agents.json"
        try #"[{"id":"\#(Self.agent)","name":"Echo"}]"#.write(toFile: file, atomically: true, encoding: .utf8)
        let node = try ProgramRun(
            ["serve", "--data=data", "--port=0", "--agents", file, "--echo-agent", Self.agent, "--api-keys=k"],
            in: workspace, environment: ["AGENT_ECHO_SESSION_TIMEOUT_MINUTES": "17"])
        let port = try await node.port()
        try await self.expectEcho(of: "one two  three\nfour", port: port)
        let user = JSON.string("22222222-2222-4222-8222-222222222222")
        let mine = try await self.post("", ["agentId": .string(Self.agent), "userId": user], port: port)
        #expect(mine.body?["timeoutConfig"]?["timeoutMinutes"]?.int == 17)
        let unknown = try await self.post("", ["agentId": user, "userId": user], port: port)
        #expect(unknown.status == 404 && unknown.body?["error"]?["code"] == "AGENT_NOT_FOUND")
        #expect(try await node.stop() == .exited(0), "\(node.output)")
    }

    @Test func `the echo worker works beside a node and stops on a signal`() async throws {
        let workspace = try Workspace()
        let node = try ProgramRun(["serve", "--data=data", "--port=0", "--api-keys=k"], in: workspace)
        let port = try await node.port()
        let worker = try ProgramRun(
            ["agent", "echo", "--agent", Self.agent, "--url=http://127.0.0.1:\(port)"], in: workspace,
            environment: ["SOJOURN_API_KEYS": "k"])
        try await self.expectEcho(of: "hello", port: port)
        #expect(try await worker.stop() == .exited(0), "\(worker.output)")
        #expect(try await node.stop() == .exited(0), "\(node.output)")
        let wrong = try ProgramRun(["agent", "echo", "--agent", "someone"], in: workspace)
        #expect(try await wrong.exit() == .exited(64))
        #expect(wrong.complaint.contains("usage: sojourn agent echo"))
    }
}
