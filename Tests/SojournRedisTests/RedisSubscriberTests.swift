import Foundation
import SojournCore
import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

/// A subscriber and what it told.
private final class Listener {
    let subscriber: RedisSubscriber
    var messages: [String] = []
    var lost = 0
    var restored: [[String]] = []

    init(_ subscriber: RedisSubscriber) {
        self.subscriber = subscriber
        subscriber.onMessage = { [unowned self] in
            self.messages.append("\($0)=\(String(decoding: $1, as: UTF8.self))")
        }
        subscriber.onLost = { [unowned self] in self.lost += 1 }
        subscriber.onRestored = { [unowned self] in self.restored.append($0.sorted()) }
        subscriber.start()
    }
}

@Suite struct RedisSubscriberTests {
    @Test func `what is published after the acknowledgement arrives`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            let listener = Listener(RedisSubscriber(loop: loop, endpoint: server.endpoint, options: .quiet))
            #expect(listener.subscriber.isHealthy, "nothing speaks against it yet")
            let raw = try server.client()
            for channel in ["{a}", "{b}", "{c}"] {
                try await listener.subscriber.subscribe(channel)
                #expect(try raw.send("SPUBLISH", channel, "hello") == 1)
            }
            try await eventually { listener.messages == ["{a}=hello", "{b}=hello", "{c}=hello"] }
            listener.subscriber.unsubscribe("{b}")
            try await eventually { try raw.send("SPUBLISH", "{b}", "again") == 0 }
            #expect(listener.messages.count == 3)
            #expect(listener.subscriber.isHealthy)
            listener.subscriber.close()
        }
    }

    @Test func `without a server a subscription waits until its limit, then is given up`() async throws {
        let server = try await RedisServer.start()
        server.stop()
        try await onLoop { loop in
            let listener = Listener(RedisSubscriber(loop: loop, endpoint: server.endpoint, options: .quiet))
            do {
                try await listener.subscriber.subscribe("{a}", timeoutMs: 30)
                Issue.record("subscribed")
            } catch let error as RedisError {
                #expect(error.code == .unavailable)
            }
            #expect(!listener.subscriber.isHealthy)
            let done = Outcomes(1)
            loop.spawn {
                try? await listener.subscriber.subscribe("{b}")
                done.set(0, "subscribed")
            }
            try await server.restart()
            try await eventually { done.answered == 1 }
            #expect(try server.client().send("PUBSUB", "SHARDCHANNELS") == .array(["{b}"]))
            #expect(listener.lost == 1)
            try await eventually { listener.restored == [["{b}"]] }
            listener.subscriber.close()
        }
    }

    @Test func `a killed subscriber connection comes back with all channels and says so`() async throws {
        let server = try await RedisServer.start()
        let book = LogBook()
        try await onLoop { loop in
            let listener = Listener(
                RedisSubscriber(loop: loop, endpoint: server.endpoint, options: .quiet, log: book.log))
            let raw = try server.client()
            let channels = (0..<500).map { "{\($0)}" }
            let outcomes = concurrently(500, on: loop) { index in
                try await listener.subscriber.subscribe(channels[index])
                return .simple("ok")
            }
            try await eventually { outcomes.answered == 500 }
            listener.subscriber.unsubscribe("{7}")
            try raw.send("CLIENT", "KILL", "TYPE", "pubsub")
            try await eventually { listener.restored.count == 1 }
            #expect(listener.lost == 1)
            #expect(listener.restored == [channels.filter { $0 != "{7}" }.sorted()])
            #expect(try raw.send("PUBSUB", "SHARDCHANNELS").array.count == 499)
            try raw.send("SPUBLISH", "{3}", "back")
            try await eventually { listener.messages == ["{3}=back"] }
            listener.subscriber.close()
        }
        #expect(book.messages.contains("notice: The connection to Redis is back"))
    }

    @Test func `a subscriber that has gone deaf finds out and gets a new connection`() async throws {
        let server = try await RedisServer.start()
        let proxy = TestProxy(to: server.endpoint)
        let book = LogBook()
        try await onLoop { loop in
            let redis = RedisConnection(loop: loop, endpoint: server.endpoint, options: .quiet)
            redis.start()
            var probe = RedisSubscriber.Probe(channel: "{p}probe") { channel, nonce in
                _ = try await redis.send(["SPUBLISH", .string(channel), .string(nonce)], kind: .write)
            }
            probe.intervalMs = 20
            probe.limitMs = 300
            let listener = Listener(
                RedisSubscriber(loop: loop, endpoint: proxy.endpoint, options: .quiet, probe: probe, log: book.log))
            try await listener.subscriber.subscribe("{a}")
            try await eventually { listener.subscriber.isHealthy }
            let (losses, connections) = (listener.lost, proxy.connections)
            proxy.mute(true)
            try await eventually { !listener.subscriber.isHealthy && listener.lost > losses }
            // The next connection was greeted by silence, too.
            proxy.mute(false)
            proxy.cut()
            try await eventually { listener.subscriber.isHealthy && listener.restored.count == listener.lost }
            #expect(listener.restored.last == ["{a}"])
            #expect(proxy.connections > connections)
            let raw = try server.client()
            try raw.send("SPUBLISH", "{a}", "heard")
            try await eventually { listener.messages == ["{a}=heard"] }
            listener.subscriber.close()
            redis.close()
        }
        #expect(book.messages.contains("warning: The subscriber connection has gone deaf; it is replaced"))
    }

    @Test func `a probe that cannot be published concludes nothing`() async throws {
        struct Away: Error {}
        let server = try await RedisServer.start()
        try await onLoop { loop in
            var probe = RedisSubscriber.Probe(channel: "{p}") { _, _ in throw Away() }
            probe.intervalMs = 1
            probe.limitMs = 1
            let listener = Listener(
                RedisSubscriber(loop: loop, endpoint: server.endpoint, options: .quiet, probe: probe))
            try await eventually { listener.subscriber.probeCount > 20 }
            #expect(listener.lost == 0)
            listener.subscriber.close()
        }
    }

    @Test func `subscribes racing unsubscribes come out as last asked`() async throws {
        let server = try await RedisServer.start()
        try await onLoop { loop in
            let listener = Listener(RedisSubscriber(loop: loop, endpoint: server.endpoint, options: .quiet))
            let raw = try server.client()
            var generator = SeededGenerator(state: 42)
            var wanted: Set<String> = []
            for round in 0..<40 {
                for _ in 0..<50 {
                    let channel = "{\(Int.random(in: 0..<10, using: &generator))}"
                    if Bool.random(using: &generator) {
                        wanted.insert(channel)
                        loop.spawn { try? await listener.subscriber.subscribe(channel) }
                        // Let it begin: what counts is the order in which the calls reach the subscriber.
                        await Task.yield()
                    } else {
                        wanted.remove(channel)
                        listener.subscriber.unsubscribe(channel)
                    }
                }
                if round % 10 == 5 { try raw.send("CLIENT", "KILL", "TYPE", "pubsub") }
                let expected = wanted
                try await eventually {
                    Set(try raw.send("PUBSUB", "SHARDCHANNELS").array.compactMap(\.string)) == expected
                }
            }
            #expect(listener.messages.isEmpty)
            listener.subscriber.close()
        }
    }
}
