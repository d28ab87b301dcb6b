import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournServer

/// Holds answers against the description that a node gives of itself.
struct Description {
    let document: JSON

    /// What is wrong with an answer: a status, a field or a type that is not described.
    func faults(_ method: String, _ template: String, _ answer: HTTPAnswer) -> [String] {
        guard let operation = self.document["paths"]?[template]?[method.lowercased()] else {
            return ["\(method) \(template) is not described"]
        }
        guard let response = operation["responses"]?[String(answer.status)] else {
            return ["\(method) \(template) does not say that it may answer \(answer.status)"]
        }
        guard let schema = response["content"]?["application/json"]?["schema"] else { return [] }
        return self.faults(answer.json, schema, "\(method) \(template) \(answer.status)")
    }

    private func faults(_ value: JSON, _ schema: JSON, _ place: String) -> [String] {
        if let name = schema["$ref"]?.string?.split(separator: "/").last {
            guard let known = self.document["components"]?["schemas"]?[String(name)] else {
                return ["there is no schema \(name)"]
            }
            return self.faults(value, known, place)
        }
        if let choices = schema["enum"]?.array, !choices.contains(value) { return ["\(place) is \(value.text)"] }
        switch schema["type"]?.string {
        case "string": return value.string == nil ? ["\(place) is no string"] : []
        case "boolean": return value.bool == nil ? ["\(place) is no boolean"] : []
        case "integer": return value.int == nil ? ["\(place) is no integer"] : []
        case "number": return value.double == nil ? ["\(place) is no number"] : []
        case "array":
            guard let elements = value.array else { return ["\(place) is no array"] }
            return elements.flatMap { self.faults($0, schema["items"] ?? .null, place + "[]") }
        case "object":
            guard let object = value.object else { return ["\(place) is no object"] }
            guard let properties = schema["properties"] else { return [] }
            var faults = (schema["required"]?.array ?? []).compactMap(\.string).filter { object[$0] == nil }
                .map { "\(place) lacks \($0)" }
            for member in object.members {
                guard let property = properties[member.name] else {
                    faults.append("\(place) has an undescribed field \(member.name)")
                    continue
                }
                faults += self.faults(member.value, property, "\(place).\(member.name)")
            }
            return faults
        default: return []
        }
    }
}

@Suite struct OpenAPITests {
    private static func node(on redis: RedisServer, archivePath: String? = nil) async throws -> TestNode {
        let keys = try TokenMill.keys()
        return try await TestNode.start(on: redis, archivePath: archivePath, server: { $0.tokenKeys = keys })
    }

    @Test func `every route is described, and nothing else is`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await Self.node(on: redis)
        let (loop, part) = node.server.parts[0]
        let names = try await loop.run { Set(part.value.routes.map(\.name)) }
        #expect(names == Set(OpenAPI.operations.keys))
        let document = try node.call("GET", target: "/openapi.json").json
        #expect(document["openapi"] == "3.1.0")
        let described = (document["paths"]?.object?.members ?? []).flatMap { path in
            path.value.object?.members.map { "\($0.name.uppercased()) \(path.name)" } ?? []
        }
        #expect(Set(described) == names)
        // Every reference leads somewhere, and every schema is used.
        let text = document.text
        let used = Set(
            text.components(separatedBy: "#/components/schemas/").dropFirst().map { $0.prefix { $0 != "\"" } })
        let known = Set((document["components"]?["schemas"]?.object?.members ?? []).map { Substring($0.name) })
        #expect(used == known)
        await node.stop()
    }

    @Test func `every field of every answer is described`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await Self.node(on: redis, archivePath: folder.file("archive.sqlite"))
        let description = Description(document: try node.call("GET", target: "/openapi.json").json)
        var seen: Set<String> = []
        func call(
            _ method: String, _ template: String, _ target: String? = nil, _ body: String? = nil,
            headers: [String: String] = [:]
        ) throws -> HTTPAnswer {
            let answer = try node.call(method, target: target ?? template, body, headers: headers)
            for fault in description.faults(method, template, answer) { Issue.record("\(fault): \(answer.text)") }
            if answer.status < 300 { seen.insert("\(method) \(template)") }
            return answer
        }
        let base = TestNode.base
        let create =
            #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)","conversationKey":"k","aliveWhileWatched":false,"metadata":{"a":1}}"#
        let id = try #require(try call("POST", base, nil, create)["sessionId"]?.string)
        _ = try call("POST", base, nil, create)
        let one = base + "/{id}"
        func of(_ path: String = "") -> String { "\(base)/\(id)\(path)" }
        _ = try call("GET", base)
        _ = try call("GET", base + "/health")
        _ = try call("GET", one, of())
        _ = try call("GET", one, of("?archived=1"))
        let agents = "/api/messaging/agents"
        _ = try call(
            "PUT", agents + "/{id}", agents + "/\(TestNode.agent)",
            #"{"name":"Ada","ifBusy":"steer","archiveRetention":"90d","metadata":{"x":1},"timeoutConfig":{"timeoutMinutes":20}}"#
        )
        _ = try call("GET", agents)
        _ = try call("GET", agents + "/{id}", agents + "/\(TestNode.agent)")
        let claim = agents + "/{id}/turns/claim"
        _ = try call("POST", claim, agents + "/\(TestNode.agent)/turns/claim")
        _ = try call("POST", one + "/messages", of("/messages"), #"{"content":"one","attachments":[{"u":1}]}"#)
        let claimed = try call("POST", claim, agents + "/\(TestNode.agent)/turns/claim", #"{"leaseMs":60000}"#)
        let turn = try #require(claimed["turns"]?.array?.first)
        let turnID = try #require(turn["turnId"]?.string)
        let token = try #require(turn["leaseToken"]?.string)
        func work(_ what: String, _ more: String = "") throws -> HTTPAnswer {
            try call(
                "POST", "/api/messaging/turns/{turn}/\(what)", "/api/messaging/turns/\(turnID)/\(what)",
                #"{"leaseToken":"\#(token)"\#(more)}"#)
        }
        _ = try call("POST", one + "/messages", of("/messages"), #"{"content":"two","ifBusy":"enqueue"}"#)
        _ = try call("POST", one + "/messages", of("/messages"), #"{"content":"three","ifBusy":"steer"}"#)
        _ = try call("GET", one + "/queue", of("/queue"))
        _ = try work("extend")
        _ = try work("events", #","events":[{"type":"agent.tool_use","toolUseId":"t1","name":"look"}]"#)
        _ = try work("deltas", #","messageId":"m1","text":"Hel""#)
        _ = try work("return")
        let again = try call("POST", claim, agents + "/\(TestNode.agent)/turns/claim")
        let second = try #require(again["turns"]?.array?.first?["leaseToken"]?.string)
        let done = #"{"leaseToken":"\#(second)","message":{"content":"Hello","metadata":{}},"usage":{"in":1}}"#
        let turns = "/api/messaging/turns"
        _ = try call("POST", turns + "/{turn}/complete", "\(turns)/\(turnID)/complete", done)
        let third = try #require(
            try call("POST", claim, agents + "/\(TestNode.agent)/turns/claim")["turns"]?.array?.first)
        let thirdID = try #require(third["turnId"]?.string)
        _ = try call(
            "POST", turns + "/{turn}/fail", "\(turns)/\(thirdID)/fail",
            #"{"leaseToken":"\#(third["leaseToken"]?.string ?? "")","error":"no"}"#)
        _ = try call("GET", one + "/turns", of("/turns"))
        _ = try call("GET", one + "/turns/{turn}", of("/turns/1"))
        _ = try call("GET", one + "/messages", of("/messages"))
        _ = try call("GET", one + "/events", of("/events"))
        _ = try call("POST", one + "/deltas", of("/deltas"), #"{"messageId":"m2","text":"x"}"#)
        _ = try call("POST", one + "/messages", of("/messages"), #"{"content":"four"}"#)
        let queue = try call("GET", one + "/queue", of("/queue"))
        let entry = try #require(queue["queue"]?.array?.last?["number"]?.int)
        _ = try call("DELETE", one + "/queue/{entry}", of("/queue/\(entry)"))
        _ = try call("POST", one + "/interrupt", of("/interrupt"), #"{"queue":"clear"}"#)
        _ = try call("POST", one + "/renew", of("/renew"))
        _ = try call("PATCH", one + "/timeout", of("/timeout"), #"{"timeoutMinutes":40}"#)
        _ = try call("POST", one + "/heartbeat", of("/heartbeat"))
        _ = try call("POST", base + "/heartbeat", nil, #"{"sessions":["\#(id)","nonsense"]}"#)
        let granted = try call("POST", one + "/tokens", of("/tokens"), #"{"capabilities":["read","presence"]}"#)
        _ = try call(
            "POST", one + "/tokens/refresh", of("/tokens/refresh"), "{}",
            headers: ["Authorization": "Bearer \(granted["token"]?.string ?? "")"])
        let watching = try node.send("GET", target: of("/stream?client=tab"))
        #expect(try watching.readHead().status == 200)
        try await eventually("the stream is seen") {
            try call("GET", one + "/presence", of("/presence"))["count"]?.int == 1
        }
        watching.close()
        let messaging = "/api/messaging"
        try await eventually("the message is found") {
            let found = try call("GET", messaging + "/search", messaging + "/search?q=four")
            return found["hits"]?.array?.count == 1
        }
        for path in ["/api/messaging/ws", "/test/echo"] { #expect(try call("GET", path).status == 426) }
        _ = try call("GET", "/asyncapi.json")
        _ = try call("GET", "/livez")
        _ = try call("GET", "/readyz")
        _ = try call("GET", "/metrics")
        _ = try call("GET", "/openapi.json")
        _ = try call("POST", "/test/clock", nil, #"{"advanceMs":1}"#)
        for (method, path, body) in [
            ("GET", one, nil), ("POST", one + "/messages", "{"), ("PATCH", one + "/timeout", "{}"),
            ("POST", base, "{}"),
        ] {
            _ = try call(method, path, path.replacing("{id}", with: "nonsense"), body)
        }
        _ = try call("GET", one, of(), headers: ["Authorization": "Bearer a.b.c"])
        _ = try call("POST", one + "/archive", of("/archive"))
        _ = try call("GET", one, of())
        let next = try #require(try call("POST", base, nil, create)["sessionId"]?.string)
        _ = try call("DELETE", one, "\(base)/\(next)")
        _ = try call("DELETE", one, "\(base)/\(next)?purge=1")
        let archive = messaging + "/archive"
        let erasure = try call("DELETE", archive + "/users/{user}", archive + "/users/\(TestNode.user)")
        let number = try #require(erasure["erasure"]?.string)
        _ = try call("GET", archive + "/erasures/{number}", archive + "/erasures/\(number)")
        _ = try call("DELETE", agents + "/{id}", agents + "/\(TestNode.agent)")
        let stream = one + "/stream"
        // These three answer with more than one body.
        #expect(
            Set(OpenAPI.operations.keys).subtracting(seen)
                == ["GET \(stream)", "GET /api/messaging/ws", "GET /test/echo"])
        await node.stop()
    }
}
