import SojournArchive
import SojournCore

/// Sessions that nobody had, out of a list of words and a seed: the same every time, so what a search must find is known.
struct MadeUpSessions: Sendable {
    /// Messages of a session.
    static let messages = 8
    /// Words there are; how often each stands follows Zipf's law.
    static let vocabulary = 8_000
    /// Users there are, for each thousand sessions.
    static let users = 100

    let seed: UInt64
    let words: [String]
    /// Words of a language that is written without spaces.
    private static let dense = [
        "東京", "大阪", "会議", "資料", "予約", "確認", "明日", "電車", "写真", "料理", "天気", "旅行", "音楽", "問題", "返事", "時間",
    ]
    private static let particles = ["の", "は", "を", "と"]

    init(seed: UInt64 = 5) {
        self.seed = seed
        var random = SplitMix(state: seed)
        var words: [String] = []
        var known: Set<String> = []
        while words.count < Self.vocabulary {
            var word = ""
            for _ in 0..<(1 + random.below(4)) {
                word.append(Array("bcdfghjklmnprstvwz")[random.below(18)])
                word.append(Array("aeiou")[random.below(5)])
            }
            if known.insert(word).inserted { words.append(word) }
        }
        self.words = words
    }

    /// A session and the numbers of the words of each message; those of messages without spaces are empty.
    func session(_ number: Int) -> (transcript: Transcript, words: [[Int]]) {
        var random = SplitMix(state: self.seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(number))
        _ = random.next()
        // A new one begins every 37 seconds, so that a million messages are those of about two months.
        let start = 1_760_000_000_000 + Int64(number) * 37_000
        let id = Self.uuid(number, 0x8000)
        let agent = Self.uuid(number % 20, 0x4001)
        let user = Self.uuid(random.below(max(1, number / 10 + 1)), 0x4002)
        var events: [TranscriptEvent] = []
        var said: [[Int]] = []
        func add(_ type: String, _ at: Int64, _ data: String) {
            let seq = events.count + 1
            let body =
                #"{"v":1,"epoch":"0a1b2c3d.1","seq":\#(seq),"at":\#(at),"type":"\#(type)","sessionId":"\#(id)","data":\#(data)}"#
            events.append(TranscriptEvent(seq: seq, epoch: "0a1b2c3d.1", at: at, type: type, body: Array(body.utf8)))
        }
        add(EventType.sessionCreated, start, "{}")
        for turn in 0..<Self.messages {
            let at = start + Int64(turn) * 4_000 + Int64(random.below(3_000))
            let (text, words) = self.message(&random)
            said.append(words)
            let type = turn.isMultiple(of: 2) ? EventType.userMessage : EventType.agentMessage
            add(type, at, #"{"id":"\#(Self.uuid(number, UInt16(turn)))","content":"\#(text)","authorId":"\#(user)"}"#)
        }
        let end = start + 1_800_000
        add(EventType.sessionExpired, end, "{}")
        let header = SessionHeader(
            id: id, agent: agent, user: user, key: nil, createdAt: start, endedAt: end, reason: .expired,
            head: events.count)
        let transcript = Transcript(
            header: header, token: HandoverToken(major: start, random: "made-up"),
            info: Array(#"{"metadata":{},"timeout":1800000,"epoch":"0a1b2c3d.1"}"#.utf8), events: events)
        return (transcript, said)
    }

    private func message(_ random: inout SplitMix) -> (String, [Int]) {
        if random.below(50) == 0 {
            let parts = (0..<(2 + random.below(4))).map { _ in
                Self.dense[random.below(Self.dense.count)] + Self.particles[random.below(Self.particles.count)]
            }
            return (parts.joined(), [])
        }
        let words = (0..<(4 + random.below(17))).map { _ in self.rank(&random) }
        return (words.map { self.words[$0] }.joined(separator: " "), words)
    }

    /// The number of a word: small ones are frequent.
    func rank(_ random: inout SplitMix) -> Int {
        // 2^(13 u) is uniform in the logarithm, up to 8192.
        let exponent = Double(random.next() >> 11) / 9_007_199_254_740_992 * 12.965
        var value = 1.0
        let whole = Int(exponent)
        for _ in 0..<whole { value *= 2 }
        // Linear within an octave is near enough.
        value *= 1 + (exponent - Double(whole))
        return min(Self.vocabulary - 1, Int(value) - 1)
    }

    static func uuid(_ number: Int, _ kind: UInt16) -> String {
        let digits = String(number, radix: 16)
        let kind = String(kind | 0x8000, radix: 16)
        return "0193a7c2-\(kind)-8001-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }
}

/// A generator whose numbers a seed determines (SplitMix64).
struct SplitMix: Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var z = self.state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(self.next() % UInt64(bound)) }
}
