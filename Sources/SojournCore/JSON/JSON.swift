/// A JSON value (RFC 8259) that survives a round trip: objects keep their order, numbers their spelling.
///
/// A session store must give back what it was given; a parser that goes through `Double` turns
/// 12345678901234567890 into something else.
public indirect enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    /// The number as it was written; always a valid RFC 8259 number.
    case number(String)
    case string(String)
    case array([JSON])
    case object(JSONObject)
}

/// The members of a JSON object, in order. Of members with the same name, byte for byte, the last one counts.
public struct JSONObject: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One name and its value.
    public struct Member: Sendable, Hashable {
        /// The member's name.
        public let name: String
        /// The member's value.
        public var value: JSON
    }

    /// The members in the order of their first appearance.
    public private(set) var members: [Member] = []
    /// Where each name stands; kept only for objects that are too long to search.
    private var index: [ExactName: Int]?
    private static let searched = 16

    /// An object without members.
    public init() {}

    /// An object with these members.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self.members.reserveCapacity(elements.count + 8)
        for (name, value) in elements { self[name] = value }
    }

    /// The value under a name; nil when there is none. Setting nil removes the member.
    public subscript(name: String) -> JSON? {
        get { self.position(of: name).map { self.members[$0].value } }
        set {
            switch (self.position(of: name), newValue) {
            case (let position?, let value?): self.members[position].value = value
            case (let position?, nil):
                self.members.remove(at: position)
                self.index = nil
                if self.members.count > Self.searched { self.reindex() }
            case (nil, let value?):
                self.members.append(Member(name: name, value: value))
                if self.index != nil {
                    self.index?[ExactName(text: name)] = self.members.count - 1
                } else if self.members.count > Self.searched {
                    self.reindex()
                }
            case (nil, nil): break
            }
        }
    }

    /// This object with the members of another laid over it.
    public func merging(_ other: JSONObject) -> JSONObject {
        var merged = self
        for member in other.members { merged[member.name] = member.value }
        return merged
    }

    private func position(of name: String) -> Int? {
        if let index { return index[ExactName(text: name)] }
        return self.members.firstIndex { ExactName(text: $0.name) == ExactName(text: name) }
    }

    private mutating func reindex() {
        var index: [ExactName: Int] = [:]
        for (position, member) in self.members.enumerated() { index[ExactName(text: member.name)] = position }
        self.index = index
    }

    /// A name compared byte for byte. `String` takes `é` and `e` with an accent for equal, JSON does not.
    private struct ExactName: Hashable {
        let text: String

        static func == (left: Self, right: Self) -> Bool {
            // Most names differ in length, which is told at once.
            left.text.utf8.count == right.text.utf8.count && left.text.utf8.elementsEqual(right.text.utf8)
        }
        func hash(into hasher: inout Hasher) { for byte in self.text.utf8 { hasher.combine(byte) } }
    }

    /// Equal members in equal order.
    public static func == (left: Self, right: Self) -> Bool { left.members == right.members }
    /// Consistent with equality.
    public func hash(into hasher: inout Hasher) { hasher.combine(self.members) }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A literal.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A literal.
    public init(integerLiteral value: Int64) { self = .number(String(value)) }
    /// A literal.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A literal.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// A literal.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        var object = JSONObject()
        for (name, value) in elements { object[name] = value }
        self = .object(object)
    }

    /// An integer.
    public init(_ value: Int) { self = .number(String(value)) }
    /// An integer.
    public init(_ value: Int64) { self = .number(String(value)) }
    /// A string, or null.
    public init(_ value: String?) { self = value.map(JSON.string) ?? .null }
}

extension JSON {
    /// The text of a string.
    public var string: String? { if case .string(let text) = self { text } else { nil } }
    /// The truth of a boolean.
    public var bool: Bool? { if case .bool(let truth) = self { truth } else { nil } }
    /// The elements of an array.
    public var array: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
    /// The members of an object.
    public var object: JSONObject? { if case .object(let members) = self { members } else { nil } }
    /// The value of a number as a double; infinite when it is too large.
    public var double: Double? { if case .number(let literal) = self { Double(literal) } else { nil } }
    /// The value of a number that is a whole number in the range of `Int`.
    public var int: Int? {
        guard case .number(let literal) = self else { return nil }
        return Int(literal) ?? Double(literal).flatMap { Int(exactly: $0) }
    }

    /// The member of an object under a name.
    public subscript(name: String) -> JSON? { self.object?[name] }

    /// What JavaScript's `typeof` says of the value; used in messages that clients know.
    public var typeName: String {
        switch self {
        case .null, .array, .object: "object"
        case .bool: "boolean"
        case .number: "number"
        case .string: "string"
        }
    }
}
