/// The slots of a Redis Cluster, over which keys and sharded channels are spread.
public enum ClusterSlot {
    /// The slot of a key or channel: of what stands between its first `{` and the next `}`, if that is anything, else of
    /// all of it (Redis Cluster specification, "Hash tags").
    public static func of(_ key: String) -> Int {
        let bytes = Array(key.utf8)
        guard let open = bytes.firstIndex(of: UInt8(ascii: "{")),
            let close = bytes[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { return Int(CRC16.checksum(bytes)) % PartitionTags.slots }
        return Int(CRC16.checksum(Array(bytes[(open + 1)..<close]))) % PartitionTags.slots
    }
}
