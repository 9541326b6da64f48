package demodir

// filter is a Filter, RFC 4511 4.5.1.7, as it came over the wire.
type filter struct {
	op    byte // one of the constants below
	parts []*filter
	attr  string
	rule  string // of an extensible match
	value []byte
	sub   substrings
}

// substrings is what a substring filter wants to see, in order.
type substrings struct {
	initial, final []byte // nil where anything may stand
	any            [][]byte
}

// The choices of Filter.
const (
	filterAnd        = 0xA0
	filterOr         = 0xA1
	filterNot        = 0xA2
	filterEqual      = 0xA3
	filterSubstrings = 0xA4
	filterGreater    = 0xA5
	filterLess       = 0xA6
	filterPresent    = 0x87
	filterApprox     = 0xA8
	filterExtensible = 0xA9
)

// maxFilterDepth bounds the recursion that a hostile filter can cause.
const maxFilterDepth = 32

// parseFilter reads one filter off b.
func parseFilter(b *ber, depth int) (*filter, error) {
	op, body, err := b.next()
	if err != nil || depth > maxFilterDepth {
		return nil, errBER
	}
	f := &filter{op: op}
	switch op {
	case filterAnd, filterOr, filterNot:
		return f, f.readParts(body, depth)
	case filterEqual, filterGreater, filterLess, filterApprox:
		return f, f.readAssertion(body)
	case filterSubstrings:
		return f, f.readSubstrings(body)
	case filterPresent:
		f.attr = string(body)
		return f, nil
	case filterExtensible:
		return f, f.readExtensible(body)
	}
	return nil, errBER
}

// readParts reads the filters inside. None at all is allowed to and and or:
// absolute true and false, RFC 4526.
func (f *filter) readParts(b ber, depth int) error {
	for len(b) > 0 {
		part, err := parseFilter(&b, depth+1)
		if err != nil {
			return err
		}
		f.parts = append(f.parts, part)
	}
	if f.op == filterNot && len(f.parts) != 1 {
		return errBER
	}
	return nil
}

func (f *filter) readAssertion(b ber) error {
	var err error
	if f.attr, err = b.text(); err != nil {
		return err
	}
	value, err := b.read(tagOctets)
	if err != nil || len(b) > 0 {
		return errBER
	}
	f.value = value
	return nil
}

func (f *filter) readSubstrings(b ber) error {
	var err error
	if f.attr, err = b.text(); err != nil {
		return err
	}
	list, err := b.read(tagSequence)
	if err != nil || len(list) == 0 || len(b) > 0 {
		return errBER
	}
	for first := true; len(list) > 0; first = false {
		tag, value, err := list.next()
		switch {
		case err != nil:
			return err
		case tag == 0x80 && first:
			f.sub.initial = value
		case tag == 0x81:
			f.sub.any = append(f.sub.any, value)
		case tag == 0x82 && len(list) == 0:
			f.sub.final = value
		default:
			return errBER
		}
	}
	return nil
}

// readExtensible reads a MatchingRuleAssertion. dnAttributes is read and has no
// meaning here, as on a controller.
func (f *filter) readExtensible(b ber) error {
	for last := byte(0); len(b) > 0; {
		tag, value, err := b.next()
		if err != nil || tag <= last {
			return errBER
		}
		last = tag
		switch tag {
		case 0x81:
			f.rule = string(value)
		case 0x82:
			f.attr = string(value)
		case 0x83:
			f.value = value
		case 0x84:
		default:
			return errBER
		}
	}
	if f.value == nil || f.rule == "" && f.attr == "" {
		return errBER
	}
	return nil
}
