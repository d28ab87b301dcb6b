import Glibc
import SojournHTTP

/// Addresses of proxies that are believed when they say whom they speak for, as `10.0.0.0/8` or `::1`, or `unix`, which
/// is whoever comes over a unix socket.
public struct AddressRange: Sendable, Hashable {
    /// None for `unix`.
    private let bytes: [UInt8]
    private let bits: Int

    /// A range in CIDR notation (RFC 4632, RFC 4291), one address, or `unix`. Nil when the text is none.
    public init?(_ text: String) {
        if text == UnixSocket.peer {
            (self.bytes, self.bits) = ([], 0)
            return
        }
        let halves = text.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count <= 2, let bytes = Self.bytes(of: String(halves[0])) else { return nil }
        self.bytes = bytes
        guard halves.count == 2 else {
            self.bits = bytes.count * 8
            return
        }
        guard let bits = Int(halves[1]), (0...bytes.count * 8).contains(bits) else { return nil }
        self.bits = bits
    }

    func contains(_ address: String) -> Bool {
        if address == UnixSocket.peer { return self.bytes.isEmpty }
        guard let other = Self.bytes(of: address), other.count == self.bytes.count else { return false }
        for place in 0..<self.bits where (self.bytes[place / 8] ^ other[place / 8]) << (place % 8) & 128 != 0 {
            return false
        }
        return true
    }

    /// Whether a text is the address of one machine.
    static func isAddress(_ text: String) -> Bool { Self.bytes(of: text) != nil }

    /// The first 64 bits of an IPv6 address; any other text as it is.
    static func network(of text: String) -> String {
        guard let bytes = Self.bytes(of: text), bytes.count == 16 else { return text }
        return bytes[..<8].map { String($0, radix: 16) }.joined(separator: ":") + "/64"
    }

    /// The address's bytes; one that is mapped into IPv6 counts as the IPv4 one that it is.
    private static func bytes(of text: String) -> [UInt8]? {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, text, &four) == 1 { return unsafe withUnsafeBytes(of: &four) { unsafe Array($0) } }
        var six = in6_addr()
        guard unsafe inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let bytes = unsafe withUnsafeBytes(of: &six) { unsafe Array($0) }
        let mapped = [UInt8](repeating: 0, count: 10) + [255, 255]
        return bytes.starts(with: mapped) ? Array(bytes.dropFirst(12)) : bytes
    }
}

/// Finds out where a request comes from.
struct ClientAddress: Sendable {
    let proxies: [AddressRange]

    /// What is counted as one client: an IPv4 address, or the network of an IPv6 one, of which a client has all addresses
    /// (RFC 6177).
    func counted(_ exchange: HTTPExchange) -> String { AddressRange.network(of: self.of(exchange)) }

    /// The peer, or, behind trusted proxies, the last address of `X-Forwarded-For` that is none of theirs: what stands
    /// before it, anyone may have written.
    func of(_ exchange: HTTPExchange) -> String {
        let peer = exchange.remoteAddress
        guard !self.proxies.isEmpty else { return peer }
        return self.of(peer: peer, forwarded: exchange.headers("X-Forwarded-For"))
    }

    func of(peer: String, forwarded: [String]) -> String {
        guard self.isProxy(peer) else { return peer }
        var client = peer
        for hop in forwarded.joined(separator: ",").split(separator: ",").reversed() {
            let address = String(hop.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
            // What is no address is no address of a client either.
            guard AddressRange.isAddress(address) else { return client }
            client = address
            if !self.isProxy(address) { break }
        }
        return client
    }

    private func isProxy(_ address: String) -> Bool { self.proxies.contains { $0.contains(address) } }
}
