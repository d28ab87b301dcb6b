import SojournCore
import SojournTesting
import Testing

@Suite struct CursorTests {
    @Test(arguments: [
        ("0", Cursor.start), ("12", Cursor(epoch: nil, seq: 12)), ("1a2b.3:12", Cursor(epoch: "1a2b.3", seq: 12)),
        ("e:0", Cursor(epoch: "e", seq: 0)), ("e:12.5", Cursor(epoch: "e", seq: 12, delta: 5)),
        (".:1", Cursor(epoch: ".", seq: 1)), ("e:999999999999999", Cursor(epoch: "e", seq: 999_999_999_999_999)),
    ])
    func `cursors are read and written`(text: String, cursor: Cursor) {
        #expect(Cursor(text) == cursor)
        #expect(cursor.description == text)
    }

    @Test(arguments: [
        "", ":", "e:", ":5", "E:5", "e_1:5", "e:5.", "e:.5", "5.1", "e:5.1.2", "e:f:5", "e:-1", "-1", "+1", " 1", "1 ",
        "e: 5", "é:1", "e:5x", "e:٥", "1e3", "0x10", "e:1000000000000000", "null", "seq:1.x",
        "abcdefghijabcdefghijabcdefghijabcdefghija:1", "e:\u{301}5", "e\u{0}:5",
    ])
    func `what is no cursor is refused`(text: String) {
        #expect(Cursor(text) == nil)
    }

    @Test func `leading zeros are read as the number`() {
        #expect(Cursor("e:007") == Cursor(epoch: "e", seq: 7))
    }
}

@Suite struct EpochHistoryTests {
    /// a wrote 1 to 9 (and more that was lost), b nothing that survived, c 10 to 14, d from 15 on.
    private let history = EpochHistory(
        cuts: [
            EpochHistory.Cut(epoch: "a", firstSeq: 1), EpochHistory.Cut(epoch: "b", firstSeq: 10),
            EpochHistory.Cut(epoch: "c", firstSeq: 10), EpochHistory.Cut(epoch: "d", firstSeq: 15),
        ], head: 20)

    @Test(arguments: [
        ("0", true, 0), ("15", true, 15), ("20", true, 20), ("21", false, 20),
        ("a:0", true, 0), ("a:1", true, 1), ("a:9", true, 9), ("a:10", false, 9), ("a:30", false, 9),
        ("b:9", true, 9), ("b:10", false, 9), ("b:12", false, 9),
        ("c:3", true, 3), ("c:14", true, 14), ("c:15", false, 14),
        ("d:14", true, 14), ("d:20", true, 20), ("d:21", false, 20),
        ("gone:5", false, 0), ("gone:0", true, 0),
    ])
    func `a cursor is honoured inside the common prefix`(text: String, honoured: Bool, common: Int) throws {
        let cursor = try #require(Cursor(text))
        #expect(self.history.honours(cursor) == honoured)
        #expect(self.history.commonPrefix(with: cursor) == common)
    }

    @Test func `an empty log honours only its beginning`() {
        let empty = EpochHistory(cuts: [EpochHistory.Cut(epoch: "a", firstSeq: 1)], head: 0)
        #expect(empty.honours(.start))
        #expect(!empty.honours(Cursor(epoch: "a", seq: 1)))
        #expect(empty.commonPrefix(with: Cursor(epoch: nil, seq: 3)) == 0)
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `what is honoured is what a replay would agree with`(seed: UInt64) {
        // Plays a log through failovers, remembering what each epoch's readers saw.
        var generator = SeededGenerator(seed: seed)
        var log: [String] = []
        var cuts: [EpochHistory.Cut] = []
        var seen: [String: [String]] = [:]
        for number in 0..<Int.random(in: 1...6, using: &generator) {
            let epoch = "e.\(number)"
            // A failover loses a tail; the session's hash goes back with it, so later cuts go too.
            log.removeLast(Int.random(in: 0...min(4, log.count), using: &generator))
            cuts.removeAll { $0.firstSeq > log.count + 1 }
            cuts.append(EpochHistory.Cut(epoch: epoch, firstSeq: log.count + 1))
            for _ in 0..<Int.random(in: 0...6, using: &generator) { log.append("\(epoch)#\(log.count + 1)") }
            seen[epoch] = log
        }
        let history = EpochHistory(cuts: cuts, head: log.count)
        for (epoch, reader) in seen {
            for seq in 0...reader.count {
                let cursor = Cursor(epoch: epoch, seq: seq)
                let agrees = seq <= log.count && Array(reader.prefix(seq)) == Array(log.prefix(seq))
                if history.honours(cursor) { #expect(agrees, "seed \(seed) \(cursor) \(history)") }
                let common = history.commonPrefix(with: cursor)
                #expect(common <= seq && Array(reader.prefix(common)) == Array(log.prefix(common)))
                if agrees, cuts.contains(where: { $0.epoch == epoch }) { #expect(history.honours(cursor)) }
            }
        }
    }
}
