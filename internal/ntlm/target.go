package ntlm

import (
	"encoding/binary"
	"slices"
	"time"
)

// AVFlag is the value of MsvAvFlags, [MS-NLMP] 2.2.2.1.
type AVFlag uint32

// The bits of MsvAvFlags.
const (
	AVFlagConstrained  AVFlag = 0x1 // the account's authentication is constrained
	AVFlagMIC          AVFlag = 0x2 // the AUTHENTICATE_MESSAGE carries a MIC
	AVFlagUntrustedSPN AVFlag = 0x4 // the target name comes from an untrusted source
)

// Get returns the raw value of id.
func (p AVPairs) Get(id AVID) ([]byte, bool) {
	for _, pair := range p {
		if pair.ID == id {
			return pair.Value, true
		}
	}
	return nil, false
}

// Text returns the name held by one of the ids that hold a name.
func (p AVPairs) Text(id AVID) (string, bool) {
	v, ok := p.Get(id)
	if !ok || !id.text() {
		return "", false
	}
	s, err := decodeUTF16(id.String(), 0, v)
	return s, err == nil
}

// NbComputerName returns the server's NetBIOS name, empty when absent.
func (p AVPairs) NbComputerName() string { return p.name(AVNbComputerName) }

// NbDomainName returns the NetBIOS name of the server's domain, empty when
// absent.
func (p AVPairs) NbDomainName() string { return p.name(AVNbDomainName) }

// DNSComputerName returns the server's DNS name, empty when absent.
func (p AVPairs) DNSComputerName() string { return p.name(AVDNSComputerName) }

// DNSDomainName returns the DNS name of the server's domain, empty when absent.
func (p AVPairs) DNSDomainName() string { return p.name(AVDNSDomainName) }

// DNSTreeName returns the DNS name of the server's forest, empty when absent.
func (p AVPairs) DNSTreeName() string { return p.name(AVDNSTreeName) }

func (p AVPairs) name(id AVID) string {
	s, _ := p.Text(id)
	return s
}

// Flags returns the value of MsvAvFlags, 0 when absent.
func (p AVPairs) Flags() AVFlag {
	v, _ := p.Get(AVFlags)
	if len(v) != 4 {
		return 0
	}
	return AVFlag(binary.LittleEndian.Uint32(v))
}

// Timestamp returns the value of MsvAvTimestamp.
func (p AVPairs) Timestamp() (Filetime, bool) {
	v, _ := p.Get(AVTimestamp)
	if len(v) != 8 {
		return 0, false
	}
	return Filetime(binary.LittleEndian.Uint64(v)), true
}

// TargetName returns the SPN that the client means to reach, as in
// HTTP/intranet.example.com. The client sends it; a name without an SPN is the
// empty string and true.
func (p AVPairs) TargetName() (string, bool) { return p.Text(AVTargetName) }

// ChannelBindings returns the hash that ChannelBindings computes. Sixteen zero
// bytes mean that the client has no channel to bind to, [MS-NLMP] 2.2.2.1, and
// count as absent.
func (p AVPairs) ChannelBindings() ([16]byte, bool) {
	v, _ := p.Get(AVChannelBindings)
	if len(v) != 16 {
		return [16]byte{}, false
	}
	hash := [16]byte(v)
	return hash, hash != [16]byte{}
}

// Set returns a list in which id has the given value, in its old place or at
// the end. The receiver is left as it is.
func (p AVPairs) Set(id AVID, value []byte) AVPairs {
	q := slices.Clone(p)
	for i := range q {
		if q[i].ID == id {
			q[i].Value = value
			return q
		}
	}
	return append(q, AVPair{ID: id, Value: value})
}

// SetText is Set for an id that holds a name.
func (p AVPairs) SetText(id AVID, s string) AVPairs { return p.Set(id, encodeUTF16(s)) }

// Filetime counts tenths of a microsecond since the year 1601, [MS-DTYP] 2.3.3.
type Filetime uint64

// filetimeUnix is the first of January 1970.
const filetimeUnix = 116444736000000000

// FiletimeOf converts t, which lies after the year 1601.
func FiletimeOf(t time.Time) Filetime {
	return Filetime(t.Unix()*1e7 + int64(t.Nanosecond())/100 + filetimeUnix)
}

// Time converts f to UTC.
func (f Filetime) Time() time.Time {
	sec := int64(f/1e7) - filetimeUnix/1e7
	return time.Unix(sec, int64(f%1e7)*100).UTC()
}

func (f Filetime) bytes() []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64(f))
}
