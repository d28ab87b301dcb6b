import Foundation
import SojournCore
import SojournLoop
import SojournTesting

@testable import SojournRedis

/// Runs `body` on a loop of its own.
func onLoop<Result: Sendable>(_ body: @escaping @Sendable (EventLoop) async throws -> Result) async throws -> Result {
    let loop = EventLoop(name: "redis-test")
    do {
        let result = try await loop.run { try await body(loop) }
        loop.stop()
        return result
    } catch {
        loop.stop()
        throw error
    }
}

/// What happened to several commands, in the order of their calls.
final class Outcomes {
    private(set) var all: [String?]
    private(set) var answered = 0
    init(_ count: Int) { self.all = Array(repeating: nil, count: count) }
    func set(_ index: Int, _ text: String) {
        self.all[index] = text
        self.answered += 1
    }
}

/// Runs `count` bodies at once on the loop; each outcome is the reply's text or the error's code.
func concurrently(
    _ count: Int, on loop: EventLoop, _ body: @escaping (Int) async throws -> RESPValue
) -> Outcomes {
    let outcomes = Outcomes(count)
    for index in 0..<count {
        loop.spawn {
            do {
                let reply = try await body(index)
                outcomes.set(index, reply.string ?? "\(reply)")
            } catch let error as RedisError {
                outcomes.set(index, error.serverCode ?? "\(error.code)")
            } catch {
                outcomes.set(index, "\(error)")
            }
        }
    }
    return outcomes
}

/// The text of a reply, or the code of its error.
func outcome(_ body: () async throws -> RESPValue) async -> String {
    do {
        let reply = try await body()
        return reply.string ?? "\(reply)"
    } catch let error as RedisError {
        return error.serverCode ?? "\(error.code)"
    } catch {
        return "\(error)"
    }
}

/// Collects log messages.
final class LogBook: Sendable {
    private let lines = Locked<[String]>([])
    var messages: [String] { self.lines.withLock { $0 } }
    var log: Log {
        Log(minimum: .info) { event in self.lines.withLock { $0.append("\(event.level): \(event.message)") } }
    }
}

let appendScript = Script(
    name: "append", source: "#!lua\nreturn redis.call('RPUSH', KEYS[1], ARGV[1])\n", keyCount: 1)
let lengthScript = Script(
    name: "length", source: "#!lua flags=no-writes\nreturn redis.call('LLEN', KEYS[1])\n", keyCount: 1)

extension RedisOptions {
    /// Options that do not talk by themselves.
    static var quiet: RedisOptions {
        var options = RedisOptions()
        options.refreshIntervalMs = 600_000
        options.commandTimeoutMs = 20_000
        return options
    }
}
