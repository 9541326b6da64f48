package smb2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// PipeOptions say which pipe is opened, and as whom.
type PipeOptions struct {
	Server   string // name or address of the server, as in \\server\IPC$
	Name     string // of the pipe, as netlogon
	Account  Account
	Dialects []Dialect // to offer; none means all
}

// OpenPipe logs on over a connection of which nothing was used yet, connects to
// IPC$ and opens a pipe. The connection is the Pipe's from now on, and is closed
// if there is an error: a *StatusError is the server's no. Every request
// is signed, and every answer must be. ctx bounds the opening alone;
// SetDeadline, what is done afterwards.
func OpenPipe(ctx context.Context, nc net.Conn, o PipeOptions) (*Pipe, error) {
	p := &Pipe{c: newConn(nc, o.Dialects)}
	err := p.c.within(ctx, func() error { return p.open(o) })
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf(`opening \\%s\IPC$\%s: %w`, o.Server, o.Name, err), nc.Close())
	}
	return p, nil
}

func (p *Pipe) open(o PipeOptions) error {
	c := p.c
	if err := c.negotiate(); err != nil {
		return err
	}
	s, err := c.logOn(o.Server, o.Account)
	if err == nil && s.flags&sessionEncrypt != 0 {
		err = c.encrypt(SessionSetup)
	}
	if err != nil {
		return err
	}
	if err := p.connect(o.Server); err != nil {
		return err
	}
	if err := p.validate(); err != nil {
		return err
	}
	return p.create(o.Name)
}

// create opens the pipe in the tree.
func (p *Pipe) create(name string) error {
	a, err := p.c.exchange(Create, p.tree, createRequest(name))
	if err != nil {
		return err
	}
	if p.file, err = parseCreate(a.msg); err != nil {
		return p.c.fail(Create, err)
	}
	return nil
}

// connect is TREE_CONNECT to IPC$.
func (p *Pipe) connect(server string) error {
	c := p.c
	a, err := c.exchange(TreeConnect, 0, treeRequest(`\\`+server+`\IPC$`))
	if err != nil {
		return err
	}
	t, err := parseTree(a.msg)
	if err == nil && t.kind != sharePipe {
		err = malformed("TREE_CONNECT Response", "ShareType", "%d is none of pipes", t.kind)
	}
	if err != nil {
		return c.fail(TreeConnect, err)
	}
	p.tree = a.treeID
	if t.flags&shareEncrypt != 0 && c.sealer == nil {
		return c.encrypt(TreeConnect)
	}
	return nil
}

// validate asks under signature what was negotiated without, so that nobody on
// the way has talked us into an older dialect, [MS-SMB2] 3.2.5.5. In 3.1.1 the
// keys depend on it already. Servers that do not know the question say so,
// signed too.
func (p *Pipe) validate() error {
	c := p.c
	if c.said.dialect == SMB311 {
		return nil
	}
	a, err := c.exchange(IOCtl, p.tree, ioctlRequest(fsctlValidateNegotiate, noFile, c.asked.validateInput(), validateLen))
	var no *StatusError
	if errors.As(err, &no) {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) { // a server that was told otherwise hangs up, [MS-SMB2] 3.3.5.15.12
		err = fmt.Errorf("%w: %w", ErrDowngrade, err)
	}
	if err != nil {
		return err
	}
	output, err := parseIOCtl(a.msg, fsctlValidateNegotiate, validateLen)
	if err == nil {
		err = c.said.validate(output)
	}
	if err != nil {
		return c.fail(IOCtl, err)
	}
	return nil
}
