import Foundation
import SojournCore
import SojournTesting
import Testing

@Suite struct JSONRoundTripTests {
    @Test(arguments: [
        "0", "-0", "1", "-1", "12345678901234567890", "0.1", "1.10", "1e5", "1E+5", "1e-05", "-0.0e0",
        "3.141592653589793238462643383279", "1e999", "-1e999",
    ])
    func `a number keeps its spelling`(literal: String) throws {
        #expect(try JSON.parse(literal) == .number(literal))
        #expect(try JSON.parse("[\(literal)]").text == "[\(literal)]")
    }

    @Test(arguments: [
        "null", "true", "false", #""""#, "[]", "{}", "[[],{}]", #"{"a":[],"b":{}}"#, #"{"b":1,"a":2}"#,
        #"["é","日本","😀","/"]"#, #""\"\\\b\f\n\r\t\u0000\u001f""#, "\"\u{7F}\u{2028}\"",
    ])
    func `compact JSON comes back byte for byte`(text: String) throws {
        #expect(try JSON.parse(text).bytes == Array(text.utf8))
    }

    @Test func `white space around values is dropped`() throws {
        #expect(try JSON.parse(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : null }\n").text == #"{"a":[1,2],"b":null}"#)
    }

    @Test func `escapes become what they stand for and slashes are written plain`() throws {
        #expect(try JSON.parse(#""\/\u0041\u00e9\u65E5\ud83d\ude00""#).text == "\"/Aé日😀\"")
    }

    @Test func `members keep their order`() throws {
        let text = "{" + (0..<40).map { #""k\#(($0 * 17) % 40)":\#($0)"# }.joined(separator: ",") + "}"
        #expect(try JSON.parse(text).text == text)
    }

    @Test(arguments: [2, 40])
    func `of members with one name the last counts, at the place of the first`(count: Int) throws {
        let others = (0..<count).map { #""k\#($0)":0"# }.joined(separator: ",")
        let value = try JSON.parse(#"{"a":1,\#(others),"a":2}"#)
        #expect(value.text == #"{"a":2,\#(others)}"#)
        #expect(value["a"] == 2)
    }

    @Test(arguments: [0, 40])
    func `names are compared by their bytes, not by how they look`(others: Int) throws {
        let more = (0..<others).map { #","k\#($0)":0"# }.joined()
        let text = "{\"\u{E9}\":1,\"e\u{301}\":2\(more)}"
        let value = try JSON.parse(text)
        #expect(value.text == text)
        #expect(value["\u{E9}"] == 1)
        #expect(value["e\u{301}"] == 2)
    }

    @Test func `members can be removed and merged`() throws {
        var object = JSONObject()
        for number in 0..<40 { object["k\(number)"] = JSON(number) }
        for number in stride(from: 0, to: 40, by: 2) { object["k\(number)"] = nil }
        #expect(object.members.map(\.name) == stride(from: 1, to: 40, by: 2).map { "k\($0)" })
        #expect(object["k39"] == 39)
        #expect(object["k38"] == nil)
        object["k38"] = nil
        let merged = object.merging(["k1": "new", "extra": true])
        #expect(merged["k1"] == "new")
        #expect(merged.members.last?.name == "extra")
        #expect(merged.members.count == 21)
    }

    @Test func `the numbers of JSON are read as far as they fit`() {
        #expect(JSON.number("1.0").int == 1)
        #expect(JSON.number("1e3").int == 1000)
        #expect(JSON.number("9223372036854775807").int == .max)
        #expect(JSON.number("9223372036854775808").int == nil)
        #expect(JSON.number("0.5").int == nil)
        #expect(JSON.number("1e999").int == nil)
        #expect(JSON.number("1e999").double == .infinity)
        #expect(JSON.string("1").int == nil)
    }

    @Test func `the type names are those of JavaScript`() {
        #expect(
            [JSON.null, [], [:], true, 1, "a"].map(\.typeName) == [
                "object", "object", "object", "boolean", "number", "string",
            ])
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `random values come back`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let value = JSON.random(depth: 5, using: &generator)
        #expect(try JSON.parse(value.bytes).bytes == value.bytes)
        // A second reader agrees, so both cannot be wrong in the same way.
        #expect(throws: Never.self) {
            try JSONSerialization.jsonObject(with: Data(value.bytes), options: [.fragmentsAllowed])
        }
    }
}

extension JSON {
    static func random(depth: Int, using generator: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return JSON(Int64.random(in: .min ... .max, using: &generator))
        case 3: return .number("\(Double.random(in: -1e10...1e10, using: &generator))")
        case 4, 5: return .string(self.randomText(using: &generator))
        case 6:
            let count = Int.random(in: 0..<6, using: &generator)
            return .array((0..<count).map { _ in self.random(depth: depth - 1, using: &generator) })
        default:
            var object = JSONObject()
            for _ in 0..<Int.random(in: 0..<24, using: &generator) {
                object[self.randomText(using: &generator)] = self.random(depth: depth - 2, using: &generator)
            }
            return .object(object)
        }
    }

    private static func randomText(using generator: inout SeededGenerator) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0..<12, using: &generator) {
            let limit: UInt32 = Bool.random(using: &generator) ? 0x80 : 0x11_0000
            guard let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)) else { continue }
            text.append(scalar)
        }
        return String(text)
    }
}
