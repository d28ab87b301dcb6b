import Foundation
import SojournCore
import SojournTesting
import Testing

@Suite struct SessionIDTests {
    @Test func `an id carries version, variant, time and partition`() throws {
        let id = SessionID(at: Instant(milliseconds: 0x1234_5678_9ABC), partition: 0xDEF, random: .max)
        #expect(id.text == "12345678-9abc-8def-bfff-ffffffffffff")
        #expect(id.partition == 0xDEF)
        #expect("\(id)" == id.text)
        #expect(try #require(UUID(uuidString: id.text)).uuidString.lowercased() == id.text)
    }

    @Test func `ids sort by creation, whatever the rest says`() {
        var generator = SeededGenerator(seed: 2)
        let ids = (0..<200).map { step in
            SessionID(
                at: Instant(milliseconds: 1_795_134_806_000 + Int64(step)),
                partition: .random(in: 0..<4096, using: &generator),
                random: generator.next())
        }
        #expect(ids.shuffled(using: &generator).sorted() == ids)
    }

    @Test func `every partition survives the text`() {
        for partition in 0..<4096 {
            let id = SessionID(at: Instant(milliseconds: 1), partition: partition)
            #expect(SessionID(id.text)?.partition == partition)
            #expect(SessionID(id.text) == id)
        }
    }

    @Test func `two ids of one moment differ`() {
        let ids = (0..<1000).map { _ in SessionID(at: Instant(milliseconds: 5), partition: 5) }
        #expect(Set(ids).count == 1000)
    }

    @Test func `upper case is the same id`() {
        let id = SessionID(at: Instant(milliseconds: 1_795_134_806_249), partition: 171)
        #expect(SessionID(id.text.uppercased()) == id)
        #expect(SessionID(id.text.uppercased())?.text == id.text)
    }

    @Test func `the channel id differs in one random bit, and twice is back`() throws {
        let id = SessionID(at: Instant(milliseconds: 1_795_134_806_249), partition: 77)
        let channel = try #require(UUIDBits(id.channelID))
        let own = try #require(UUIDBits(id.text))
        #expect((own.high ^ channel.high).nonzeroBitCount == 0)
        #expect((own.low ^ channel.low).nonzeroBitCount == 1)
        // It has the form of an id (the store answers 404 for it), but is another one of the same partition.
        let other = try #require(SessionID(id.channelID))
        #expect(other != id)
        #expect(other.partition == id.partition)
        #expect(other.channelID == id.text)
    }

    @Test(arguments: [
        "", "x", "12345678-9abc-4def-bfff-ffffffffffff", "12345678-9abc-7def-bfff-ffffffffffff",
        "12345678-9abc-8def-7fff-ffffffffffff", "12345678-9abc-8def-cfff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000", "123456789abc8defbfffffffffffffff",
        "12345678-9abc-8def-bfff-fffffffffff", "12345678-9abc-8def-bfff-fffffffffffff",
        "12345678-9abc-8def-bfff-ffffffffffff ", "1234567g-9abc-8def-bfff-ffffffffffff",
        "{12345678-9abc-8def-bfff-ffffffffffff}", "12345678+9abc-8def-bfff-ffffffffffff",
    ])
    func `what is not a UUIDv8 is refused`(text: String) {
        #expect(SessionID(text) == nil)
    }

    @Test func `times outside of 48 bits do not crash`() {
        #expect(SessionID(at: Instant(milliseconds: -5), partition: 1, random: 0).text.hasPrefix("00000000-0000-8001-"))
        #expect(
            SessionID(at: Instant(milliseconds: .max), partition: 1, random: 0).text.hasPrefix("ffffffff-ffff-8001-"))
    }
}

@Suite struct UUIDBitsTests {
    @Test func `random UUIDs agree with Foundation`() throws {
        for _ in 0..<500 {
            let uuid = UUID()
            let bits = try #require(UUIDBits(uuid.uuidString))
            #expect(bits.text == uuid.uuidString.lowercased())
            #expect(UUIDBits(bits.text) == bits)
            #expect(bits.bytes == withUnsafeBytes(of: uuid.uuid) { Array($0) })
            #expect(UUIDBits(bytes: bits.bytes[...]) == bits)
        }
    }

    @Test func `only 16 bytes make a UUID`() {
        #expect(UUIDBits(bytes: [UInt8](repeating: 1, count: 15)[...]) == nil)
        #expect(UUIDBits(bytes: [UInt8](repeating: 1, count: 17)[...]) == nil)
    }

    @Test func `hexadecimal is lower case and read in either`() {
        #expect(Hex.encode([0x00, 0x9F, 0xAB, 0xFF]) == "009fabff")
        #expect("0123456789abcdefABCDEF".utf8.map(Hex.value) == (Array(0...15) + Array(10...15)).map(UInt8?.some))
        #expect("/:@G`g ".utf8.allSatisfy { Hex.value($0) == nil })
    }
}
