import SojournCore
import SojournHTTP

/// The keys that open the interface. Without any, it is open.
struct APIKeys: Sendable {
    private let keys: [[UInt8]]

    init(_ keys: [String]) { self.keys = keys.filter { !$0.isEmpty }.map { Array($0.utf8) } }

    /// What is answered without a valid key.
    static let refusal: JSON = [
        "error": "API key required", "message": "Missing or invalid X-API-KEY header",
    ]

    var isEmpty: Bool { self.keys.isEmpty }

    /// Whether a token is one of the keys.
    func admits(token: String) -> Bool { self.contains(token) }

    /// Whether a request carries one of the keys, as `X-API-KEY` or as a bearer token (RFC 6750 section 2.1).
    func admits(_ exchange: HTTPExchange) -> Bool {
        guard !self.keys.isEmpty else { return true }
        if let key = exchange.header("X-API-KEY"), self.contains(key) { return true }
        guard let value = exchange.header("Authorization") else { return false }
        let parts = value.split(separator: " ", maxSplits: 1)
        return parts.count == 2 && parts[0].lowercased() == "bearer" && self.contains(String(parts[1]))
    }

    /// Compares with every key, each in a time that depends only on what the caller sent.
    private func contains(_ text: String) -> Bool {
        let given = Array(text.utf8)
        var found = false
        for key in self.keys where Self.equal(given, key) { found = true }
        return found
    }

    private static func equal(_ given: [UInt8], _ key: [UInt8]) -> Bool {
        var difference = given.count ^ key.count
        for (place, byte) in given.enumerated() { difference |= Int(byte ^ key[place % key.count]) }
        return difference == 0
    }
}
