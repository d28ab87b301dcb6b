import SojournCore
import SojournHTTP
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct SocketStreamTests {
    @Test func `a subscription resumes after what it has, and a cursor that cannot be honoured is told of the gap`()
        async throws
    {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        for number in 1...9 { try a.say("\(number)", in: id) }
        let epoch = try #require(try a.call("GET", "/\(id)/events")["epoch"]?.string)
        let rows: [(JSON?, [Int])] = [
            ("0", Array(1...10)), (0, Array(1...10)), ("4", Array(5...10)), (.string("\(epoch):7"), [8, 9, 10]),
            (.string("\(epoch):10"), []), (nil, []), (.null, []), ("", []),
        ]
        let socket = try SocketClient(b)
        for (after, seqs) in rows {
            var fields: JSONObject = ["sessionId": .string(id)]
            fields["after"] = after
            #expect(try socket.call("subscribe", fields)["cursor"]?.string == "\(epoch):10")
            let events = try socket.read(through: "stream.ready")
            #expect(events.compactMap(\.seq) == seqs, "\(String(describing: after))")
            #expect(events.last?.cursor == "\(epoch):10")
            _ = try socket.call("unsubscribe", ["sessionId": .string(id)])
        }
        try socket.subscribe(id, after: "deadbeef.7:12")
        let events = try socket.read(through: "stream.ready")
        #expect(events.first?.type == "stream.gap")
        #expect(events.first?.json["data"]?["from"]?.int == 1 && events.first?.json["data"]?["to"]?.int == 12)
        #expect(events.first?.json["data"]?["epoch"]?.string == epoch && events.first?.cursor == "\(epoch):0")
        #expect(events.compactMap(\.seq) == Array(1...10))
        await a.stop()
        await b.stop()
    }

    @Test func `pieces of a message come with cursors inside it, and a resume gives the rest`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let (a, b) = (try await TestNode.start(on: redis), try await TestNode.start(on: redis, name: "b"))
        let id = try a.create()
        let first = try SocketClient(a)
        try first.subscribe(id)
        _ = try first.event()
        func piece(_ text: String) throws {
            #expect(
                try b.call("POST", "/\(id)/deltas", #"{"messageId":"m1","text":"\#(text)"}"#).status == 200)
        }
        try piece("one ")
        try piece("two ")
        let (one, two) = (try first.event(), try first.event())
        #expect(one.type == "agent.message.delta" && one.cursor?.hasSuffix(":1.1") == true)
        #expect(two.cursor?.hasSuffix(":1.2") == true && two.seq == nil)
        try piece("three")
        let second = try SocketClient(b)
        try second.subscribe(id, after: one.cursor)
        let rest = try second.read(through: "stream.ready").dropLast()
        #expect(rest.compactMap { $0.json["data"]?["text"]?.string } == ["two ", "three"])
        await a.stop()
        await b.stop()
    }

    @Test func `an event is encoded once, however many read it`() throws {
        let event = try #require(
            Event(bytes: Array(#"{"v":1,"epoch":"1a.1","seq":2,"at":5,"type":"user.message","data":{}}"#.utf8)))
        let live = LiveEvent(event)
        let frames = (0..<3).map { _ in EventFrame.webSocket(of: live).bytes }
        let places = Set(frames.map { $0.withUnsafeBytes { $0.baseAddress } })
        #expect(places.count == 1, "all frames are the same bytes in the same place")
        let text = #"{"op":"event","event":\#(String(decoding: event.bytes, as: UTF8.self)),"cursor":"1a.1:2"}"#
        #expect(frames[0] == [0x81, UInt8(text.utf8.count)] + Array(text.utf8))
    }

    @Test func `the end of a session ends its subscription, not the socket`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let (id, other) = (try node.create(), try node.create())
        let socket = try SocketClient(node)
        for session in [id, other] {
            try socket.subscribe(session)
            #expect(try socket.event().session == session)
        }
        #expect(try node.call("DELETE", "/\(id)").status == 200)
        #expect(try socket.event().type == "session.ended")
        let end = try socket.event()
        #expect(end.type == "stream.end" && end.json["data"]?["reason"]?.string == "closed" && end.cursor == nil)
        #expect(end.session == id)
        try node.say("still here", in: other)
        #expect(try socket.event().session == other)
        #expect(try await node.openReaders() == 1)
        socket.raw.http.close()
        try await eventually("nobody reads") { try await node.openReaders() == 0 }
        #expect(try await node.openSockets() == 0)
        await node.stop()
    }

    @Test func `a drain sends each client elsewhere at its own moment, and nothing is lost`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let a = try await TestNode.start(on: redis, server: { $0.drainLimit = 6000 })
        let b = try await TestNode.start(on: redis, name: "b")
        let id = try a.create()
        let sockets = try (0..<8).map { _ in try SocketClient(a) }
        for socket in sockets {
            try socket.subscribe(id)
            _ = try socket.event()
        }
        async let stopped: Void = a.stop()
        var said = 0
        var open = 8
        // While they leave one by one, the session goes on.
        while open > 0 {
            try b.say("\(said)", in: id)
            said += 1
            open = try await a.openSockets()
        }
        var retries = Set<String>()
        for socket in sockets {
            var seqs: [Int] = []
            var frame = try socket.raw.next()
            while let event = SocketEvent(frame.text) {
                if let seq = event.seq { seqs.append(seq) }
                frame = try socket.raw.next()
            }
            #expect(frame.closeCode == 1001 && frame.text.contains("drain retry="))
            retries.insert(frame.text)
            try socket.raw.send(.close(1001))
            let back = try SocketClient(b)
            try back.subscribe(id, after: "\(seqs.last ?? 1)")
            seqs += try back.read(through: "stream.ready").compactMap(\.seq)
            #expect(seqs == Array(2..<(said + 2)))
        }
        #expect(retries.count > 1, "they come back at different times")
        await stopped
        #expect(try await b.openSockets() >= 0)
        await b.stop()
    }
}
