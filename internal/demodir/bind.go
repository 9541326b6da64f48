package demodir

// bindRequest is a BindRequest, RFC 4511 4.2, with the choices that
// [MS-ADTS] 5.1.1.1.3 adds for Sicily.
type bindRequest struct {
	version   int
	name      string
	method    byte   // one of the constants below, or an unknown one
	secret    []byte // the password or the token
	mechanism string // of SASL
}

// The choices of AuthenticationChoice.
const (
	methodSimple          = 0x80
	methodSASL            = 0xA3
	methodSicilyDiscovery = 0x89
	methodSicilyNegotiate = 0x8A
	methodSicilyResponse  = 0x8B
)

func parseBind(b ber) (*bindRequest, error) {
	req := &bindRequest{}
	var err error
	if req.version, err = b.number(tagInteger); err != nil {
		return nil, err
	}
	if req.name, err = b.text(); err != nil {
		return nil, err
	}
	var body ber
	if req.method, body, err = b.next(); err != nil || len(b) > 0 {
		return nil, errBER
	}
	if req.method != methodSASL {
		req.secret = body
		return req, nil
	}
	if req.mechanism, err = body.text(); err != nil {
		return nil, err
	}
	if len(body) > 0 {
		if req.secret, err = body.read(tagOctets); err != nil || len(body) > 0 {
			return nil, errBER
		}
	}
	return req, nil
}

// bind serves one leg of a log-in. A leg that does not continue the exchange
// before it ends that one.
func (c *conn) bind(r *request, req *bindRequest) bool {
	pending := c.exchange
	c.exchange = nil
	switch {
	case req.version != 3:
		return c.answerBind(r, result{code: protocolError, text: "00000057: LdapErr: DSID-0C09057E, comment: Unsupported protocol version, data 0, v1db1"})
	case req.method == methodSimple:
		return c.bindSimple(r, req)
	case req.method == methodSASL:
		return c.bindSASL(r, req, pending)
	case req.method == methodSicilyDiscovery, req.method == methodSicilyNegotiate, req.method == methodSicilyResponse:
		return c.bindSicily(r, req, pending)
	}
	return c.answerBind(r, resultMechanism)
}

func (c *conn) answerBind(r *request, res result) bool {
	return c.reply(r, opBindResponse, res.encode())
}

// bindSimple is RFC 4513 5.1. An empty password is the unauthenticated bind of
// 5.1.2: it succeeds, whoever is named, and makes the connection nobody's.
func (c *conn) bindSimple(r *request, req *bindRequest) bool {
	if len(req.secret) == 0 {
		c.who = nil
		return c.answerBind(r, result{})
	}
	if !c.secure && !c.cfg.AllowPlain {
		return c.answerBind(r, resultPlain)
	}
	who := c.tree.accountToBind(req.name)
	if who == nil && c.cfg.GuestMap {
		return c.welcome(r, c.tree.guest)
	}
	data, alive := c.judge(who, who != nil && who.samePassword(req.secret))
	switch {
	case !alive:
		return false
	case data != "":
		return c.answerBind(r, logonFailed(data))
	}
	return c.welcome(r, who)
}

// welcome gives the connection its new identity. Nothing else changes it: a
// failed bind leaves the former one, as a controller does.
func (c *conn) welcome(r *request, who *account) bool {
	if c.who == nil || !c.cfg.FirstStays {
		c.who = who
	}
	return c.answerBind(r, result{})
}
