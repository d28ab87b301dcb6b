public import SojournCore

/// Who answers: a registered agent and its settings.
public struct Agent: Sendable, Hashable {
    /// Its UUID, lower case.
    public let id: String
    /// Its name.
    public let name: String?
    /// The timeouts of its sessions, in the form of a create request's `timeoutConfig`.
    public let timeoutConfig: JSONObject?
    /// What messages do while a turn is open.
    public let ifBusy: IfBusy?
    /// Whether a session lives on while somebody reads its stream.
    public let aliveWhileWatched: Bool
    /// For how long archives keep its sessions; nil is what their nodes say.
    public let archiveRetention: RetentionTime?
    /// What its owner stores with it.
    public let metadata: JSONObject

    /// Reads an agent's settings.
    ///
    /// - Throws: `VALIDATION_ERROR` when the id is no UUID or a setting has a wrong type.
    public init(id: String, settings: JSON?) throws(StoreError) {
        guard let bits = UUIDBits(id) else { throw .validation("Invalid UUID format for field 'id'", field: "id") }
        guard let object = settings?.object else {
            throw .validation("Invalid agent: Must be an object", field: "body")
        }
        func value<Value>(_ name: String, _ kind: String, _ read: (JSON) -> Value?) throws(StoreError) -> Value? {
            guard let json = object[name], json != .null else { return nil }
            guard let value = read(json) else {
                throw .validation("Invalid agent: '\(name)' must be \(kind)", field: name)
            }
            return value
        }
        self.id = bits.text
        self.name = try value("name", "a string of 1 to 128 characters") { json in
            json.string.flatMap { (1...128).contains($0.utf16.count) ? $0 : nil }
        }
        self.timeoutConfig = try value("timeoutConfig", "an object") { $0.object }
        self.ifBusy = try value("ifBusy", "one of: " + IfBusy.allCases.map(\.rawValue).joined(separator: ", ")) {
            $0.string.flatMap(IfBusy.init(rawValue:))
        }
        self.aliveWhileWatched = try value("aliveWhileWatched", "true or false") { $0.bool } ?? false
        self.archiveRetention = try value("archiveRetention", "a time such as 90d, or forever") { json in
            json.string.flatMap(RetentionTime.init)
        }
        self.metadata =
            try value("metadata", "an object of at most 10240 bytes") { json in
                json.object.flatMap { JSON.object($0).text.utf16.count <= 10_240 ? $0 : nil }
            } ?? JSONObject()
    }

    /// The agent as the interface writes it, and as the registry keeps it.
    public var json: JSON {
        var object: JSONObject = ["id": .string(self.id)]
        if let name { object["name"] = .string(name) }
        if let timeoutConfig { object["timeoutConfig"] = .object(timeoutConfig) }
        if let ifBusy { object["ifBusy"] = .string(ifBusy.rawValue) }
        object["aliveWhileWatched"] = .bool(self.aliveWhileWatched)
        if let archiveRetention { object["archiveRetention"] = .string(archiveRetention.text) }
        object["metadata"] = .object(self.metadata)
        return .object(object)
    }
}
