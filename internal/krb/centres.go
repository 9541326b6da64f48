package krb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// Centres talks to the KDCs of a realm over TCP, RFC 4120 7.2.2. The one that
// answered last is asked first, so that one which is down is waited for once. The
// zero value is ready.
type Centres struct{ last atomic.Pointer[string] }

// kdcPatience is how long one KDC is waited for before the next is asked, the
// connection included.
const kdcPatience = 3 * time.Second

// maxAnswer bounds an answer: tickets of people in many groups have some 64 KiB.
const maxAnswer = 256 << 10

var errNoKDC = errors.New("none is known")

// ask sends a request that may be sent twice, to one KDC after another until one
// answers. One that says it cannot serve has not answered.
func (c *Centres) ask(ctx context.Context, kdcs []string, request []byte) (answer []byte, kdc string, err error) {
	all := []error{ErrUnreachable}
	if len(kdcs) == 0 {
		all = append(all, errNoKDC)
	}
	for _, kdc := range c.order(kdcs) {
		answer, err := exchange(ctx, kdc, request)
		if err == nil {
			var r *Refusal
			if r, err = refusalIn(answer, kdc); err == nil && (r == nil || r.Code != CodeServiceUnavailable) {
				c.last.Store(&kdc)
				return answer, kdc, nil
			} else if r != nil {
				err = r
			}
		}
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		all = append(all, fmt.Errorf("%s: %w", kdc, err))
	}
	return nil, "", errors.Join(all...)
}

func (c *Centres) order(kdcs []string) []string {
	last := c.last.Load()
	if last == nil || !slices.Contains(kdcs, *last) {
		return kdcs
	}
	return append([]string{*last}, slices.DeleteFunc(slices.Clone(kdcs), func(kdc string) bool { return kdc == *last })...)
}

// exchange sends a request to one KDC and gives its answer.
func exchange(ctx context.Context, kdc string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kdcPatience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", kdc)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > maxAnswer {
		return nil, fmt.Errorf("%w: an answer of %d bytes", ErrMalformed, size)
	}
	answer := make([]byte, size)
	_, err = io.ReadFull(c, answer)
	return answer, err
}
