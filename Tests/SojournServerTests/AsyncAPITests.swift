import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct AsyncAPITests {
    @Test func `every event type is described, and no other`() throws {
        let described = EventSchema.all.map(\.type)
        #expect(described == EventType.durable + EventType.ephemeral)
        let document = AsyncAPI.document
        let stream = try #require(document["channels"]?["stream"]?["messages"])
        #expect(stream.names == described)
        let published = try #require(document["channels"]?["redis"]?["messages"]).names
        #expect(published == EventType.durable + [EventType.agentMessageDelta, EventType.presence, "doorbell"])
    }

    @Test func `every reference leads somewhere`() throws {
        let document = AsyncAPI.document
        var references = 0
        func follow(_ value: JSON) {
            for element in value.array ?? [] { follow(element) }
            for member in value.object?.members ?? [] {
                if member.name == "$ref", let path = member.value.string {
                    references += 1
                    var target: JSON? = document
                    for name in path.dropFirst(2).split(separator: "/") { target = target?[String(name)] }
                    #expect(target != nil, "\(path)")
                } else {
                    follow(member.value)
                }
            }
        }
        follow(document)
        #expect(references > 100)
        for operation in document["operations"]?.object?.members ?? [] {
            let messages = operation.value["messages"]?.array ?? []
            #expect(
                !messages.isEmpty && ["send", "receive"].contains(operation.value["action"]?.string),
                "\(operation.name)")
        }
    }

    @Test func `a node serves the description without a key`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis, server: { $0.apiKeys = ["secret"] })
        let answer = try node.call("GET", target: "/asyncapi.json")
        #expect(answer.status == 200 && answer.header("Content-Type") == "application/json; charset=utf-8")
        #expect(answer.json == AsyncAPI.document)
        #expect(answer["asyncapi"]?.string == "3.0.0")
        await node.stop()
    }

    /// The faults of a value by a schema, of which only what the description uses is known.
    private func faults(_ value: JSON, _ schema: JSON, at path: String = "") -> [String] {
        if let reference = schema["$ref"]?.string {
            var target: JSON? = AsyncAPI.document
            for name in reference.dropFirst(2).split(separator: "/") { target = target?[String(name)] }
            return self.faults(value, target ?? .null, at: path)
        }
        var faults: [String] = []
        if let constant = schema["const"], constant != value { faults.append("\(path) is not \(constant.text)") }
        if let words = schema["enum"]?.array, !words.contains(value) { faults.append("\(path) is \(value.text)") }
        let isRight: Bool =
            switch schema["type"]?.string {
            case "string"?: value.string != nil
            case "integer"?: value.int != nil
            case "boolean"?: value.bool != nil
            case "array"?: value.array != nil
            case "object"?: value.object != nil
            default: true
            }
        if !isRight { faults.append("\(path) is a \(value.typeName)") }
        for name in schema["required"]?.array ?? [] where value[name.string ?? ""] == nil {
            faults.append("\(path) lacks \(name.text)")
        }
        if let properties = schema["properties"] {
            for member in value.object?.members ?? [] {
                guard let own = properties[member.name] else {
                    if path == "" || path == "data" { faults.append("\(path).\(member.name) is not described") }
                    continue
                }
                faults += self.faults(member.value, own, at: member.name)
            }
        }
        if let items = schema["items"] {
            for element in value.array ?? [] { faults += self.faults(element, items, at: path + "[]") }
        }
        return faults
    }

    @Test func `what is streamed is what is described`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(
            config: #"{"timeoutMinutes":10,"warningThresholdMinutes":3}"#, more: #","metadata":{"a":1}"#)
        let stream = try StreamClient(node, id, "?after=0&presence=1")
        let gap = try StreamClient(node, id, "?after=0badcafe.7:3")
        let second = try StreamClient(node, id)
        second.http.close()
        try node.say("hello", in: id)
        #expect(try node.call("POST", "/\(id)/deltas", #"{"messageId":"m","text":"hel"}"#).status == 200)
        try await node.answer("hello yourself", in: id)
        _ = try await node.store.send(
            MessageDraft(author: .system, authorID: TestNode.agent, content: "note", metadata: ["k": 1]), to: id)
        #expect(try node.call("PATCH", "/\(id)/timeout", #"{"timeoutMinutes":12}"#).status == 200)
        #expect(try node.call("POST", "/\(id)/renew").status == 200)
        _ = try stream.read(through: "session.renewed")
        try node.advance(minutes: 10)
        _ = try node.call("GET", "/\(id)")
        let deleted = try node.create()
        let other = try StreamClient(node, deleted, "?after=0")
        #expect(try node.call("DELETE", "/\(deleted)").status == 200)
        let again = try StreamClient(node, id, "?after=0&presence=1")
        var events = try again.read(through: "session.expiring")
        try node.advance(minutes: 3)
        events += try again.rest() + gap.rest() + other.rest()
        let more = try StreamClient(node, node.create(), "?presence=1")
        events += try more.read(through: "presence")
        var seen: Set<String> = []
        for event in events {
            let type = try #require(event.event)
            seen.insert(type)
            let schema = try #require(EventSchema.all.first { $0.type == type }, "\(type)")
            #expect(self.faults(event.json, schema.json) == [], "\(type): \(event.data ?? "")")
        }
        #expect(
            seen.isSuperset(of: [
                "session.created", "session.updated", "session.renewed", "session.expiring", "session.expired",
                "session.ended", "user.message", "agent.message", "system.message", "stream.ready", "stream.gap",
                "stream.end", "presence",
            ]), "\(seen.sorted())")
        await node.stop()
    }
}
