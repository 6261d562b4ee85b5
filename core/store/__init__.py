"""The one door to Redis data: keys, codec, records, files and the Function libraries."""
