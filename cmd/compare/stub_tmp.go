package main

func trendCommand(c *call) error { return nil }
