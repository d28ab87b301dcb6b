import Testing

@testable import SojournCore

@Suite struct JSONWriterTests {
    @Test func `what is written member by member is what the tree would be`() throws {
        var writer = JSONWriter()
        writer.open()
        writer.member("text", "a \"b\" \\ \n é")
        writer.member("number", Int64(-9_007_199_254_740_993))
        writer.member("truth", true)
        writer.member("at", Instant(milliseconds: 1_795_220_673_178))
        writer.member("value", ["x": [1, .null]])
        writer.name("empty")
        writer.open()
        writer.close()
        writer.name("list")
        writer.openArray()
        for number in [0, 10, 123] { writer.value(Int64(number)) }
        writer.value("{")
        writer.openArray()
        writer.closeArray()
        writer.closeArray()
        writer.close()
        let expected: JSON = [
            "text": "a \"b\" \\ \n é", "number": -9_007_199_254_740_993, "truth": true,
            "at": "2026-11-21T00:24:33.178Z", "value": ["x": [1, .null]], "empty": [:],
            "list": [0, 10, 123, "{", []],
        ]
        #expect(String(decoding: writer.bytes, as: UTF8.self) == expected.text)
        #expect(try JSON.parse(writer.bytes) == expected)
    }

    @Test(arguments: [Int64.min, -1, 0, 7, 10, 99, 1000, .max])
    func `digits are those of the number's text`(number: Int64) {
        var bytes: [UInt8] = []
        bytes.append(decimal: number)
        #expect(String(decoding: bytes, as: UTF8.self) == String(number))
    }
}
