package diag

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"text/template"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ntlm/caddy-ntlm/internal/demodir"
)

//go:embed demo/Caddyfile.tmpl
var demoTemplate string

//go:embed demo/page.html
var demoPage string

//go:embed demo/error.html
var demoErrorPage string

// demoConfig is the whole configuration of the demo. The certificate of its site lives in
// memory alone, which no Caddyfile can say, so that it is put in beside it.
func demoConfig(plain, secure, admin *net.TCPAddr, directory *demodir.Server) ([]byte, error) {
	text, err := demoCaddyfile(plain, secure, admin, directory)
	if err != nil {
		return nil, err
	}
	adapted, err := adapt(text)
	if err != nil {
		return nil, fmt.Errorf("adapting the demo's own Caddyfile: %w", err)
	}
	certificate, key, err := directory.SitePEM(secure.IP)
	if err != nil {
		return nil, fmt.Errorf("making the site's certificate: %w", err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		return nil, err
	}
	apps, ok := config["apps"].(map[string]any)
	if !ok || apps["tls"] != nil {
		return nil, errors.New("the demo's own Caddyfile says something of certificates")
	}
	apps["tls"] = map[string]any{"certificates": map[string]any{
		"load_pem": []map[string]string{{"certificate": string(certificate), "key": string(key)}},
	}}
	return json.Marshal(config)
}

func adapt(caddyfile []byte) ([]byte, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	if adapter == nil {
		return nil, errors.New("this build has no Caddyfile adapter")
	}
	config, _, err := adapter.Adapt(caddyfile, map[string]any{"filename": "demo.caddyfile"})
	return config, err
}

// demoCaddyfile writes the demo's configuration: the words of any site, over
// the directory in this process.
func demoCaddyfile(plain, secure, admin *net.TCPAddr, directory *demodir.Server) ([]byte, error) {
	errorPage, err := fill(demoErrorPage, map[string]any{"Users": directory.Users()})
	if err != nil {
		return nil, err
	}
	return fill(demoTemplate, map[string]any{
		"LDAPS":     directory.LDAPS(),
		"BaseDN":    directory.BaseDN(),
		"CA":        base64.StdEncoding.EncodeToString(directory.CA().Raw),
		"Host":      plain.IP.String(),
		"Port":      plain.Port,
		"Admin":     admin.String(),
		"Page":      demoPage,
		"ErrorPage": string(errorPage),

		"SecurePort":      secure.Port,
		"FactorAttribute": demodir.DemoFactorAttribute,
	})
}

// fill fills in what stands in double square brackets; braces are Caddy's.
func fill(text string, values map[string]any) ([]byte, error) {
	t, err := template.New("demo").Delims("[[", "]]").Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, values)
	return b.Bytes(), err
}
