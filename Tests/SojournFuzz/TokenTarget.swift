import SojournCore

@testable import SojournServer

/// Session tokens: only what we have signed is one.
struct TokenTarget: FuzzTarget {
    private let book: TokenBook
    /// The tokens of the corpus, which are good.
    private let signed: Set<String>
    private let now = Instant(milliseconds: 1_800_000_100_000)

    init() {
        let keys = [
            TokenKey(id: "h1", hs256: Base64URL.encode("0123456789abcdef0123456789abcdef")),
            TokenKey(id: "e1", ed25519: Base64URL.encode("an ed25519 seed has 32 bytes, ok")),
        ].compactMap { $0 }
        self.book = TokenBook(keys: keys, audience: "sojourn")
        let token = SessionToken(
            id: "t", userID: "22222222-2222-4222-8222-222222222222", sessionID: nil, rights: [.read, .write],
            issuedAt: 1_800_000_000, expiresAt: 1_800_003_600, renewableUntil: 1_800_086_400)
        self.signed = Set(keys.compactMap { TokenBook(keys: [$0], audience: "sojourn").sign(token) })
        precondition(self.signed.count == 2 && self.signed.allSatisfy { self.book.token($0, at: self.now) == token })
    }

    func check(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        if self.book.token(text, at: self.now) != nil {
            precondition(self.signed.contains(text), "a token that nobody signed was accepted")
        }
        _ = TokenBook.isToken(text)
        // The parts by themselves, as if the signature were good: claims of any shape are read without harm.
        if let json = try? JSON.parse(input) { _ = SessionToken(claims: json, expiresAt: 1) }
    }
}
