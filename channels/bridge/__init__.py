"""The bridge: joins conversations on any platform with chat spaces."""
