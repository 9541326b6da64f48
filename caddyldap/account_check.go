package caddyldap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

func (d *Directory) checkServiceAccount() error {
	a := d.ServiceAccount
	if a == nil {
		return nil
	}
	switch a.Mechanism {
	case "", accountSimple, accountNTLM:
		if a.Keytab != "" || a.CCache != "" || a.Principal != "" || a.Krb5Conf != "" {
			return errors.New("service_account: keytab, principal, ccache and krb5_conf belong to service_account kerberos")
		}
	case accountKerberos:
		if a.Keytab != "" || a.CCache != "" || a.Principal != "" {
			return a.checkFiles()
		}
	default:
		return fmt.Errorf("service_account %s: the mechanism is not built in; known: simple, ntlm, kerberos", a.Mechanism)
	}
	return a.checkPassword()
}

func (a *ServiceAccount) checkPassword() error {
	if strings.HasPrefix(a.Name, "{file.") || strings.HasPrefix(a.Name, "{env.") {
		return errors.New(`service_account: the account stands first, by its name, and then its secret, which alone may be a placeholder: write service_account EXAMPLE\svc-web {file./run/secrets/svc-web}`)
	}
	isDN := checkDN(a.Name) == nil
	if !isDN && identity.ParseName(a.Name).Check() != nil {
		return errors.New(`service_account: no usable name; write service_account EXAMPLE\svc-web {file./run/secrets/svc-web}`)
	}
	if domain, user, _ := strings.Cut(a.Name, `\`); !isDN && strings.HasPrefix(user, `\`) {
		return fmt.Errorf(`service_account "%s": one backslash is enough, in quotes too: write service_account %s\%s`, a.Name, domain, strings.TrimLeft(user, `\`))
	}
	if isDN && a.Mechanism != "" && a.Mechanism != accountSimple {
		return fmt.Errorf(`service_account %s %s: a DN binds by simple alone; write EXAMPLE\svc-web or svc-web@example.com`, a.Mechanism, a.Name)
	}
	if identity.NewSecret(a.Secret).Blank() {
		return fmt.Errorf("service_account %s: no secret; write service_account %s {file./run/secrets/svc-web}", a.Name, a.Name)
	}
	return nil
}

// checkFiles is for an account that proves itself by a file.
func (a *ServiceAccount) checkFiles() error {
	switch {
	case a.Name != "" || a.Secret != "":
		return errors.New("service_account kerberos: a name and secret beside keytab, principal or ccache; write one or the other")
	case a.Keytab != "" && a.CCache != "":
		return errors.New("service_account kerberos: keytab and ccache contradict each other; remove one")
	case a.Principal != "" && a.Keytab == "":
		return errors.New("service_account kerberos: principal chooses a key of keytab, which is not there; write keytab <file>")
	}
	return nil
}
