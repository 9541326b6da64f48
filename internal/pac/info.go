package pac

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
	"github.com/caddy-ntlm/caddy-ntlm/internal/ndr"
)

// Client is a PAC_CLIENT_INFO, 2.7.
type Client struct {
	At   time.Time // of the first authentication
	Name string
}

// CheckClient holds the certificate to the ticket that it is in: PAC_CLIENT_INFO
// has the ticket's client and the time of its first authentication. One without
// it was never for a ticket.
func (p *PAC) CheckClient(name string, authenticated time.Time) error {
	switch {
	case p.Client == nil:
		return fmt.Errorf("%w: it says of no ticket", ErrMalformed)
	case p.Client.Name != name && !strings.HasPrefix(p.Client.Name, name+"@"):
		return fmt.Errorf("%w: it is of the ticket of %.256q, and in that of %.256q", ErrMalformed, p.Client.Name, name)
	case !p.Client.At.Truncate(time.Second).Equal(authenticated.Truncate(time.Second)):
		return fmt.Errorf("%w: it is of the ticket of %s, and in that of %s", ErrMalformed, p.Client.At.Format(time.RFC3339), authenticated.UTC().Format(time.RFC3339))
	}
	return nil
}

func parseClient(raw []byte) (*Client, error) {
	if len(raw) < 10 {
		return nil, fmt.Errorf("%d bytes", len(raw))
	}
	n := int(binary.LittleEndian.Uint16(raw[8:]))
	if 10+n > len(raw) {
		return nil, fmt.Errorf("a name of %d bytes in %d", n, len(raw))
	}
	name, ok := ndr.UTF16(raw[10 : 10+n])
	if !ok {
		return nil, fmt.Errorf("a name that is no UTF-16")
	}
	return &Client{filetime(binary.LittleEndian.Uint64(raw)), name}, nil
}

// UPN is a UPN_DNS_INFO, 2.10.
type UPN struct {
	Name string // userPrincipalName, or the one that the KDC made up
	DNS  string // the domain's DNS name
	SAM  string // with newer controllers
	SID  identity.SID
}

const upnExtended = 0x2 // SAM and SID are there

func parseUPN(raw []byte) (*UPN, error) {
	const head, extended = 12, 20
	if len(raw) < head {
		return nil, fmt.Errorf("%d bytes", len(raw))
	}
	field := func(at int) ([]byte, error) {
		n, from := int(binary.LittleEndian.Uint16(raw[at:])), int(binary.LittleEndian.Uint16(raw[at+2:]))
		if from+n > len(raw) {
			return nil, fmt.Errorf("%d bytes at %d of %d", n, from, len(raw))
		}
		return raw[from : from+n], nil
	}
	u := new(UPN)
	texts := map[int]*string{0: &u.Name, 4: &u.DNS}
	if binary.LittleEndian.Uint32(raw[8:])&upnExtended != 0 {
		if len(raw) < extended {
			return nil, fmt.Errorf("%d bytes", len(raw))
		}
		texts[12] = &u.SAM
		sid, err := field(16)
		if err == nil {
			u.SID, err = identity.SIDFromBytes(sid)
		}
		if err != nil {
			return nil, err
		}
	}
	for at, text := range texts {
		value, err := field(at)
		if err != nil {
			return nil, err
		}
		var ok bool
		if *text, ok = ndr.UTF16(value); !ok {
			return nil, fmt.Errorf("a text that is no UTF-16")
		}
	}
	return u, nil
}

// Delegation is an S4U_DELEGATION_INFO, 2.9: the ticket was not got by its owner
// but by a service for them.
type Delegation struct {
	Target  string   // whom it was got for
	Through []string // the services that got it
}

// maxTransited bounds the services of a delegation.
const maxTransited = 64

func parseDelegation(raw []byte) (*Delegation, error) {
	r, err := ndr.Open(raw)
	if err != nil {
		return nil, err
	}
	target := r.String()
	declared, present := r.Uint32(), r.Pointer()
	d := &Delegation{Target: r.Text(target)}
	if present {
		n := r.Count(maxTransited, 8)
		if uint32(n) != declared {
			r.Fail("%d services, and %d were declared", n, declared)
		}
		heads := make([]ndr.String, n)
		for i := range heads {
			heads[i] = r.String()
		}
		for _, s := range heads {
			d.Through = append(d.Through, r.Text(s))
		}
	}
	return d, r.Err()
}
