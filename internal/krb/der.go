package krb

import (
	"encoding/asn1"
	"errors"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"
)

// The messages that come and go with each request, in DER. The library reads and
// writes them by reflection, which was a fifth of a request. What is sealed in a
// ticket it reads still: that is done once.

// Application tags, RFC 4120 5.3 and 5.5.
const (
	tagTicket        = 1
	tagAuthenticator = 2
	tagAPReq         = 14
	tagAPRep         = 15
	tagEncAPRepPart  = 27
)

const generalString = tags.Tag(27) // X.680 8.4

var errDER = errors.New("not the DER of one")

// reader reads fields in order; the first that is wrong makes it bad. What stands
// behind the last field that is known is not looked at.
type reader struct {
	rest cryptobyte.String
	bad  bool
}

// inner is what an element of a tag holds.
func (r *reader) inner(tag tags.Tag) *reader {
	in := new(reader)
	in.bad = r.bad || !r.rest.ReadASN1(&in.rest, tag)
	r.bad = in.bad
	return in
}

// merge takes over what was wrong inside.
func (r *reader) merge(in *reader, ok bool) {
	r.bad = r.bad || in.bad || !ok
}

func applicationTag(n uint8) tags.Tag { return tags.Tag(n|0x40) | 0x20 }
func contextTag(n uint8) tags.Tag     { return tags.Tag(n).ContextSpecific().Constructed() }

// has reports whether the next field is of a number.
func (r *reader) has(n uint8) bool { return !r.bad && r.rest.PeekASN1Tag(contextTag(n)) }

func (r *reader) number(n uint8) (v int64) {
	in := r.inner(contextTag(n))
	r.merge(in, !in.bad && in.rest.ReadASN1Integer(&v) && in.rest.Empty())
	return v
}

// small reads an Int32, RFC 4120 5.2.4.
func (r *reader) small(n uint8) int32 {
	v := r.number(n)
	r.bad = r.bad || v != int64(int32(v))
	return int32(v)
}

func (r *reader) octets(n uint8) (v []byte) {
	in := r.inner(contextTag(n))
	r.merge(in, !in.bad && in.rest.ReadASN1Bytes(&v, tags.OCTET_STRING) && in.rest.Empty())
	return v
}

func (r *reader) bits(n uint8) (v asn1.BitString) {
	in := r.inner(contextTag(n))
	r.merge(in, !in.bad && in.rest.ReadASN1BitString(&v) && in.rest.Empty())
	return v
}

func (r *reader) moment(n uint8) (v time.Time) {
	in := r.inner(contextTag(n))
	r.merge(in, !in.bad && in.rest.ReadASN1GeneralizedTime(&v) && in.rest.Empty())
	return v
}

func (r *reader) text(n uint8) string {
	in := r.inner(contextTag(n))
	s := in.inner(generalString)
	r.merge(in, in.bad || in.rest.Empty())
	return string(s.rest)
}

// sequence is what a field's sequence holds.
func (r *reader) sequence(n uint8) *reader {
	in := r.inner(contextTag(n))
	s := in.inner(tags.SEQUENCE)
	r.merge(in, in.bad || in.rest.Empty())
	return s
}

// name reads a PrincipalName, RFC 4120 5.2.2.
func (r *reader) name(n uint8) (v types.PrincipalName) {
	s := r.sequence(n)
	v.NameType = s.small(0)
	for parts := s.sequence(1); !parts.bad && !parts.rest.Empty(); {
		part := parts.inner(generalString)
		v.NameString = append(v.NameString, string(part.rest))
		s.merge(parts, true)
	}
	r.merge(s, true)
	return v
}

// sealed reads an EncryptedData, RFC 4120 5.2.9. A read-only controller's version may
// be written as a negative number.
func (r *reader) sealed(n uint8) (v types.EncryptedData) {
	s := r.sequence(n)
	v.EType = s.small(0)
	if s.has(1) {
		v.KVNO = int(s.number(1))
	}
	v.Cipher = s.octets(2)
	r.merge(s, true)
	return v
}

// typed reads an EncryptionKey or a Checksum, RFC 4120 5.2.9.
func (r *reader) typed(n uint8) (kind int32, value []byte) {
	s := r.sequence(n)
	kind, value = s.small(0), s.octets(1)
	r.merge(s, true)
	return kind, value
}

// restrictions reads AuthorizationData, RFC 4120 5.2.6.
func (r *reader) restrictions(n uint8) (v types.AuthorizationData) {
	s := r.sequence(n)
	for !s.bad && !s.rest.Empty() {
		e := s.inner(tags.SEQUENCE)
		v = append(v, types.AuthorizationDataEntry{ADType: e.small(0), ADData: e.octets(1)})
		s.merge(e, true)
	}
	r.merge(s, true)
	return v
}

// readAPReq reads an AP-REQ, RFC 4120 5.5.1, with its Ticket, 5.3. Its bytes are parts
// of raw.
func readAPReq(raw []byte) (*messages.APReq, error) {
	r := (&reader{rest: raw}).inner(applicationTag(tagAPReq)).inner(tags.SEQUENCE)
	v := new(messages.APReq)
	v.PVNO, v.MsgType = int(r.number(0)), int(r.number(1))
	options := r.bits(2)
	v.APOptions.Bytes, v.APOptions.BitLength = options.Bytes, options.BitLength
	outer := r.inner(contextTag(3))
	t := outer.inner(applicationTag(tagTicket)).inner(tags.SEQUENCE)
	v.Ticket.TktVNO = int(t.number(0))
	v.Ticket.Realm, v.Ticket.SName, v.Ticket.EncPart = t.text(1), t.name(2), t.sealed(3)
	r.merge(t, outer.rest.Empty())
	v.EncryptedAuthenticator = r.sealed(4)
	if r.bad || v.MsgType != tagAPReq {
		return nil, errDER
	}
	return v, nil
}

// readAuthenticator reads an Authenticator, RFC 4120 5.5.1. Its bytes are parts of raw.
func readAuthenticator(raw []byte) (*types.Authenticator, error) {
	r := (&reader{rest: raw}).inner(applicationTag(tagAuthenticator)).inner(tags.SEQUENCE)
	v := new(types.Authenticator)
	v.AVNO, v.CRealm, v.CName = int(r.number(0)), r.text(1), r.name(2)
	if r.has(3) {
		v.Cksum.CksumType, v.Cksum.Checksum = r.typed(3)
	}
	v.Cusec, v.CTime = int(r.number(4)), r.moment(5)
	if r.has(6) {
		v.SubKey.KeyType, v.SubKey.KeyValue = r.typed(6)
	}
	if r.has(7) {
		v.SeqNumber = r.number(7)
	}
	if r.has(8) {
		v.AuthorizationData = r.restrictions(8)
	}
	if r.bad {
		return nil, errDER
	}
	return v, nil
}

// writeEncAPRepPart writes what an AP-REP seals, RFC 4120 5.5.2, without a subkey.
func writeEncAPRepPart(at time.Time, cusec int, number uint64) ([]byte, error) {
	return encode(tagEncAPRepPart, func(b *cryptobyte.Builder) {
		field(b, 0, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(at) })
		field(b, 1, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(cusec)) })
		field(b, 3, func(b *cryptobyte.Builder) { b.AddASN1Uint64(number) })
	})
}

// writeAPRep writes an AP-REP, RFC 4120 5.5.2.
func writeAPRep(sealed types.EncryptedData) ([]byte, error) {
	return encode(tagAPRep, func(b *cryptobyte.Builder) {
		field(b, 0, func(b *cryptobyte.Builder) { b.AddASN1Int64(5) })
		field(b, 1, func(b *cryptobyte.Builder) { b.AddASN1Int64(tagAPRep) })
		field(b, 2, func(b *cryptobyte.Builder) {
			b.AddASN1(tags.SEQUENCE, func(b *cryptobyte.Builder) {
				field(b, 0, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(sealed.EType)) })
				field(b, 2, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sealed.Cipher) })
			})
		})
	})
}

func encode(tag uint8, content cryptobyte.BuilderContinuation) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 256))
	b.AddASN1(applicationTag(tag), func(b *cryptobyte.Builder) { b.AddASN1(tags.SEQUENCE, content) })
	return b.Bytes()
}

func field(b *cryptobyte.Builder, n uint8, content cryptobyte.BuilderContinuation) {
	b.AddASN1(contextTag(n), content)
}
