package cluster

// counter counts the values of a JSON document while it passes. What is not JSON is counted as if it were; decoding it
// fails.
type counter struct {
	// events is set for a stream of documents, each of which counts alone.
	events bool

	quoted, escaped bool
	depth           int
	now, most       limits
}

// take counts the next part.
func (c *counter) take(p []byte) {
	for _, b := range p {
		if c.quoted {
			c.inString(b)
			continue
		}
		c.now.bytes++
		c.outside(b)
	}
	c.keep()
}

func (c *counter) inString(b byte) {
	c.now.bytes++
	switch {
	case c.escaped:
		c.escaped = false
	case b == '\\':
		c.escaped = true
	case b == '"':
		c.quoted = false
	}
}

func (c *counter) outside(b byte) {
	switch b {
	case '"':
		c.quoted = true
	case ',':
		c.now.values++
	case '[':
		c.now.values++
		c.depth++
	case '{':
		c.now.values++
		c.now.objects++
		c.depth++
	case ']', '}':
		c.close()
	}
}

func (c *counter) close() {
	if c.depth > 0 {
		c.depth--
	}
	if c.depth == 0 && c.events {
		c.keep()
		c.now = limits{}
	}
}

// keep notes the most that one document had so far.
func (c *counter) keep() {
	c.most.bytes = max(c.most.bytes, c.now.bytes)
	c.most.values = max(c.most.values, c.now.values)
	c.most.objects = max(c.most.objects, c.now.objects)
}
