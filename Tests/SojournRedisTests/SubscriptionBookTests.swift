import SojournLoop
import SojournTesting
import Testing

@testable import SojournRedis

/// A server of one connection: runs commands in order, may be behind.
private struct FakeServer {
    var pending: [[String]] = []
    var channels: Set<String> = []

    mutating func step() -> RESPValue? {
        guard !self.pending.isEmpty else { return nil }
        let command = self.pending.removeFirst()
        if command[0] == "SSUBSCRIBE" { self.channels.insert(command[1]) } else { self.channels.remove(command[1]) }
        return push(command[0].lowercased(), command[1])
    }
}

private func push(_ kind: String, _ channel: String, _ payload: String = "1") -> RESPValue {
    .array([.bulk(ArraySlice(kind.utf8)), .bulk(ArraySlice(channel.utf8)), .bulk(ArraySlice(payload.utf8))])
}

private let broken = RedisError(code: .unavailable, message: "x", endpoint: .unix(path: "/x"), file: "", line: 0)

private func fail(_: RESPErrorReply) -> RedisError { broken }

@Suite struct SubscriptionBookTests {
    @Test(arguments: 0..<200)
    func `whatever the interleaving, the server ends up with what was asked for last`(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        var book = SubscriptionBook()
        var server = FakeServer()
        var wanted: Set<String> = []
        var (asked, answered, wronglyTold) = (0, 0, 0)
        // The generation of a channel's last unsubscribe: only later acknowledgements may answer later waiters.
        var isOpen = false
        func deliver() {
            server.pending += book.takeOutbox()
            guard let reply = server.step() else { return }
            #expect(book.receive(reply, failure: fail) != .unexpected)
        }
        for _ in 0..<300 {
            let channel = ["a", "b", "c"].randomElement(using: &generator) ?? "a"
            switch Int.random(in: 0..<12, using: &generator) {
            case 0..<3:
                asked += 1
                wanted.insert(channel)
                book.subscribe(
                    channel,
                    SubscriptionBook.Waiter { result in
                        answered += 1
                        if case .failure = result, isOpen { wronglyTold += 1 }
                    })
            case 3..<6:
                wanted.remove(channel)
                book.unsubscribe(channel, failure: broken)
            case 6..<10: if isOpen { deliver() }
            case 10:
                isOpen.toggle()
                if isOpen {
                    server = FakeServer()
                    book.opened()
                } else {
                    book.lost()
                }
            default:
                // The server ends a subscription by itself.
                if isOpen, server.channels.remove(channel) != nil {
                    _ = book.receive(push("sunsubscribe", channel), failure: fail)
                }
            }
        }
        if !isOpen {
            isOpen = true
            server = FakeServer()
            book.opened()
        }
        for _ in 0..<2_000 { deliver() }
        #expect(server.channels == wanted)
        #expect(answered == asked)
        #expect(wronglyTold == 0)
        #expect(book.isComplete)
    }

    @Test func `a subscribe after an unsubscribe waits for its own acknowledgement`() {
        var book = SubscriptionBook()
        book.opened()
        var told: [Int] = []
        book.subscribe("c", SubscriptionBook.Waiter { _ in told.append(1) })
        book.unsubscribe("c", failure: broken)
        book.subscribe("c", SubscriptionBook.Waiter { _ in told.append(2) })
        book.subscribe("c", SubscriptionBook.Waiter { _ in told.append(3) })
        #expect(book.takeOutbox() == [["SSUBSCRIBE", "c"], ["SUNSUBSCRIBE", "c"], ["SSUBSCRIBE", "c"]])
        _ = book.receive(push("ssubscribe", "c"), failure: fail)
        #expect(told == [1])
        _ = book.receive(push("sunsubscribe", "c"), failure: fail)
        #expect(told == [1])
        _ = book.receive(push("ssubscribe", "c"), failure: fail)
        #expect(told == [1, 2, 3])
        book.subscribe("c", SubscriptionBook.Waiter { _ in told.append(4) })
        #expect(told == [1, 2, 3, 4])
        #expect(book.takeOutbox().isEmpty)
    }

    @Test func `messages of a channel that is not wanted any more are dropped`() {
        var book = SubscriptionBook()
        book.opened()
        book.subscribe("c", SubscriptionBook.Waiter { _ in })
        _ = book.receive(push("ssubscribe", "c"), failure: fail)
        let message = push("smessage", "c", "hi")
        #expect(book.receive(message, failure: fail) == .message(channel: "c", payload: Array("hi".utf8)))
        book.unsubscribe("c", failure: broken)
        #expect(book.receive(message, failure: fail) == .nothing)
    }

    @Test func `a subscription that the server ended is asked for again and told when it is back`() {
        var book = SubscriptionBook()
        book.opened()
        book.subscribe("c", SubscriptionBook.Waiter { _ in })
        _ = book.takeOutbox()
        _ = book.receive(push("ssubscribe", "c"), failure: fail)
        #expect(book.receive(push("sunsubscribe", "c"), failure: fail) == .kicked("c"))
        #expect(book.takeOutbox() == [["SSUBSCRIBE", "c"]])
        #expect(!book.isComplete)
        #expect(book.receive(push("ssubscribe", "c"), failure: fail) == .restored(["c"]))
    }

    @Test func `a refused subscription is told, a refused restoration starts over`() {
        let moved = RESPValue.error(RESPErrorReply(message: "MOVED 1 x:1"))
        var book = SubscriptionBook()
        book.opened()
        var failures = 0
        book.subscribe("c", SubscriptionBook.Waiter { if case .failure = $0 { failures += 1 } })
        _ = book.receive(moved, failure: fail)
        #expect(failures == 1 && !book.wants("c"))
        book.subscribe("c", SubscriptionBook.Waiter { _ in })
        book.lost()
        book.opened()
        #expect(book.receive(moved, failure: fail) == .restoreFailed("x"))
        #expect(book.wants("c"))
    }

    @Test func `who gives up takes the channel along only when nobody else waits`() {
        var book = SubscriptionBook()
        let (first, second) = (SubscriptionBook.Waiter { _ in }, SubscriptionBook.Waiter { _ in })
        book.subscribe("c", first)
        book.subscribe("c", second)
        first.answer(.failure(broken))
        book.abandon("c", failure: broken)
        #expect(book.wants("c"))
        second.answer(.failure(broken))
        book.abandon("c", failure: broken)
        #expect(!book.wants("c"))
    }
}
