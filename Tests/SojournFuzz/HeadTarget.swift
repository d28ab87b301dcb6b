@testable import SojournHTTP

/// Heads of requests: however the bytes are cut, the verdict is the same, and nothing refused comes through.
struct HeadTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        let whole = Self.read([input.dropFirst()])
        let cut = Self.read(pieces(of: input))
        precondition(whole == cut, "the verdict depends on where the bytes were cut")
    }

    private static func read(_ parts: [ArraySlice<UInt8>]) -> HeadGuard.Verdict {
        let limits = HTTPLimits { status, message in "\(status) \(message)" }
        var guardian = HeadGuard(limits: limits)
        for part in parts {
            let verdict = guardian.feed(Array(part).span)
            guard verdict == .more else {
                precondition(guardian.contentLength ?? 0 <= limits.bodyBytes || verdict != .complete)
                precondition(!(guardian.isChunked && guardian.contentLength != nil) || verdict != .complete)
                return verdict
            }
        }
        return .more
    }
}
