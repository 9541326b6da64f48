package demodir

// bindSicily is the older way in, [MS-ADTS] 5.1.1.1.3: which packages are
// there, a Type 1, a Type 3. What the server has to say stands where another
// bind has the matched DN, and the code stays success after the first legs. The
// connection is not signed afterwards, even where the client offered it.
func (c *conn) bindSicily(r *request, req *bindRequest, pending *ntlmPending) bool {
	switch {
	case req.method == methodSicilyDiscovery:
		return c.answerBind(r, result{matched: "NTLM"})
	case req.method == methodSicilyNegotiate:
		challenge, err := c.challenge(req.secret, true)
		if err != nil {
			return c.answerBind(r, logonFailed(dataInvalidParameter))
		}
		return c.answerBind(r, result{matched: string(challenge)})
	case pending == nil || !pending.sicily:
		return c.answerBind(r, logonFailed(dataInvalidParameter))
	}
	return c.finishSicily(r, c.finish(pending, req.secret))
}

func (c *conn) finishSicily(r *request, o outcome) bool {
	if o.gone {
		return false
	}
	if failure, failed := c.failure(o); failed {
		return c.answerBind(r, failure)
	}
	if !c.secure && !c.cfg.AllowPlain {
		return c.answerBind(r, resultPlain)
	}
	return c.welcome(r, o.who)
}
