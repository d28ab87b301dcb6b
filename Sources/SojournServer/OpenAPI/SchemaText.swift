import SojournCore

/// Schemas written as one line, because a hundred of them must be read by people: `name type, name? type`, where `?`
/// marks what may be absent, or behind a type what may be null, and a type is one of the words below, `a|b` for a choice
/// of words, `[type]`, or the name of
/// a schema.
enum SchemaText {
    private static let words: [String: JSON] = [
        "any": .object(JSONObject()), "string": ["type": "string"], "boolean": ["type": "boolean"],
        "integer": ["type": "integer"], "number": ["type": "number"], "object": ["type": "object"],
        "uuid": ["type": "string", "format": "uuid"], "instant": ["type": "string", "format": "date-time"],
        "true": ["const": true], "false": ["const": false],
    ]

    /// The schema of an object with these fields. What a newer version adds is not an error.
    static func object(_ fields: String) -> JSON {
        var properties = JSONObject()
        var required: [JSON] = []
        for field in fields.split(separator: ",") {
            let halves = field.split(separator: " ")
            guard halves.count == 2 else { preconditionFailure("a field of a schema has no type: \(field)") }
            let isOptional = halves[0].hasSuffix("?")
            let name = String(isOptional ? halves[0].dropLast() : halves[0])
            properties[name] = Self.type(halves[1])
            if !isOptional { required.append(.string(name)) }
        }
        var schema: JSONObject = ["type": "object", "properties": .object(properties)]
        if !required.isEmpty { schema["required"] = .array(required) }
        return .object(schema)
    }

    static func type(_ text: Substring) -> JSON {
        if text.hasSuffix("?") { return ["anyOf": [Self.type(text.dropLast()), ["type": "null"]]] }
        if text.hasPrefix("["), text.hasSuffix("]") {
            return ["type": "array", "items": Self.type(text.dropFirst().dropLast())]
        }
        if let known = Self.words[String(text)] { return known }
        if text.first?.isUppercase == true { return Self.reference(text) }
        return ["type": "string", "enum": .array(text.split(separator: "|").map { .string(String($0)) })]
    }

    static func reference(_ name: some StringProtocol) -> JSON { ["$ref": .string("#/components/schemas/\(name)")] }
}
