import Foundation

/// A condition that did not come true in time.
public struct NotInTime: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String

    /// Names what was waited for.
    public init(description: String) { self.description = description }
}

/// Polls `condition` until it holds, for at most `limit` seconds, and throws ``NotInTime`` otherwise.
///
/// The one place in the tests that sleeps.
public func eventually(
    within limit: Double = 30, _ what: String = "the condition", _ condition: () async throws -> Bool
) async throws {
    let end = Date().addingTimeInterval(limit)
    while try await !condition() {
        guard Date() < end else { throw NotInTime(description: "\(what) did not come true within \(limit) s") }
        try await Task.sleep(nanoseconds: 3_000_000)
    }
}

/// Does nothing for a while, as clients do; never a way to wait for something. For threads of their own only.
public func dawdle(milliseconds: Int) { _ = poll(nil, 0, CInt(milliseconds)) }
