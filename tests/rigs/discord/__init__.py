"""A stand-in for Discord on this machine: its REST calls and its gateway, over SimCord's model of Discord."""
