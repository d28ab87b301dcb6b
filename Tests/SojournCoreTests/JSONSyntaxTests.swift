import SojournCore
import SojournTesting
import Testing

@Suite struct JSONSyntaxTests {
    @Test(arguments: [
        ("", "unexpected end", 0), ("  ", "unexpected end", 2), ("[", "unexpected end", 1),
        ("[1,", "unexpected end", 3),
        (#"{"a":"#, "unexpected end", 5), ("+1", "unexpected character", 0), ("tru", "unexpected character", 3),
        ("nul", "unexpected character", 3), ("True", "unexpected character", 0), ("'a'", "unexpected character", 0),
        ("[1,]", "unexpected character", 3), ("\u{FEFF}1", "unexpected character", 0),
        (".5", "unexpected character", 0), ("NaN", "unexpected character", 0),
        ("-", "a digit was expected", 1), ("1.", "a digit was expected", 2), ("1e", "a digit was expected", 2),
        ("1e+", "a digit was expected", 3), ("-a", "a digit was expected", 1),
        ("01", "unexpected text after the JSON value", 1), ("1 2", "unexpected text after the JSON value", 2),
        ("nullx", "unexpected text after the JSON value", 4), ("{}}", "unexpected text after the JSON value", 2),
        ("{1:2}", "a member name was expected", 1), (#"{"a":1,}"#, "a member name was expected", 7),
        ("{", "a member name was expected", 1), (#"{"a" 1}"#, "':' was expected", 5),
        (#"{"a":1 "b":2}"#, "',' or '}' was expected", 7), ("[1 2]", "',' or ']' was expected", 3),
        (#"{"a":1"#, "',' or '}' was expected", 6), ("[1", "',' or ']' was expected", 2),
        (#""abc"#, "a string is not closed", 4), (#""a\"#, "a string is not closed", 3),
        (#""\x""#, "unknown escape", 2), (#""\u12G4""#, "four hexadecimal digits were expected", 5),
        (#""\u12"#, "four hexadecimal digits were expected", 5),
        (#""\ud83d\uZZZZ""#, "four hexadecimal digits were expected", 9),
        ("\"a\nb\"", "a control character in a string must be escaped", 2),
        ("\"\\n\u{1}\"", "a control character in a string must be escaped", 3),
    ])
    func `each mistake is named with its place`(text: String, reason: String, offset: Int) throws {
        let error = try #require(throws: JSONSyntaxError.self) { try JSON.parse(text) }
        #expect(error.reason == reason)
        #expect(error.offset == offset)
        #expect(error.description == "\(reason) at byte \(offset)")
    }

    @Test(
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE6, 0x97, 0x22],
            [0x22, 0x5C, 0x6E, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
        ] as [[UInt8]])
    func `a string that is not UTF-8 is refused`(bytes: [UInt8]) throws {
        let error = try #require(throws: JSONSyntaxError.self) { try JSON.parse(bytes) }
        #expect(error.reason == "a string is not valid UTF-8")
    }

    @Test(arguments: [
        (#""\ud800""#, "\u{FFFD}"), (#""\udc00""#, "\u{FFFD}"), (#""\ud800A""#, "\u{FFFD}A"),
        (#""\ud800\u0041""#, "\u{FFFD}A"), (#""\ud800\ud83d\ude00""#, "\u{FFFD}😀"), (#""\ud800\n""#, "\u{FFFD}\n"),
    ])
    func `an escaped lone surrogate becomes the replacement character`(text: String, value: String) throws {
        #expect(try JSON.parse(text) == .string(value))
    }

    @Test(arguments: [("[", "]"), (#"{"a":"#, "}")])
    func `nesting ends at its limit`(open: String, close: String) throws {
        func nested(_ depth: Int) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        #expect(try JSON.parse(nested(JSON.maximumDepth)).text == nested(JSON.maximumDepth))
        let error = try #require(throws: JSONSyntaxError.self) { try JSON.parse(nested(JSON.maximumDepth + 1)) }
        #expect(error.reason == "nested deeper than 128")
        #expect(throws: JSONSyntaxError.self) { try JSON.parse(String(repeating: open, count: 1_000_000)) }
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `damaged JSON is refused or read, never a crash`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var bytes = JSON.random(depth: 4, using: &generator).bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            if place < bytes.count, Bool.random(using: &generator) {
                bytes.remove(at: place)
            } else {
                bytes.insert(UInt8.random(in: .min ... .max, using: &generator), at: place)
            }
        }
        if let value = try? JSON.parse(bytes) {
            #expect((try? JSON.parse(value.bytes))?.bytes == value.bytes)
        } else {
            #expect(throws: JSONSyntaxError.self) { try JSON.parse(bytes) }
        }
    }
}
