/// The slots of a Redis Cluster, over which keys and sharded channels are spread.
public enum ClusterSlot {
    /// The slot of a key or channel: of what stands between its first `{` and the next `}`, if that is anything, else of
    /// all of it (Redis Cluster specification, "Hash tags").
    public static func of(_ key: String) -> Int {
        let bytes = key.utf8
        if let open = bytes.firstIndex(of: UInt8(ascii: "{")) {
            let tag = bytes[bytes.index(after: open)...].prefix { $0 != UInt8(ascii: "}") }
            // Without a `}` behind it the `{` is one letter of many.
            if !tag.isEmpty, tag.endIndex != bytes.endIndex { return Int(CRC16.checksum(tag)) % PartitionTags.slots }
        }
        return Int(CRC16.checksum(bytes)) % PartitionTags.slots
    }
}
