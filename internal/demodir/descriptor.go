package demodir

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-ntlm/caddy-ntlm/internal/identity"
)

// The bits of security descriptors, [MS-DTYP] 2.4, and of access masks, [MS-ADTS] 5.1.3.2.
const (
	selfRelativeDACL = 0x8004 // SE_SELF_RELATIVE and SE_DACL_PRESENT
	allowed          = 0x00   // ACCESS_ALLOWED_ACE_TYPE
	allowedObject    = 0x05   // ACCESS_ALLOWED_OBJECT_ACE_TYPE
	objectPresent    = 0x1    // ACE_OBJECT_TYPE_PRESENT

	maskReadProperty  = 0x00000010
	maskControlAccess = 0x00000100
	maskReadControl   = 0x00020000
	maskAll           = 0x000F01FF
)

var (
	sidAdministrators = mustSID("S-1-5-32-544")
	sidAuthenticated  = mustSID("S-1-5-11")
)

// addDescriptors gives each account an nTSecurityDescriptor, which says of the attributes with
// readers what visible does. It is shown to whoever names it.
func (t *tree) addDescriptors(readers map[string][]string) {
	descriptor := string(t.descriptor(readers))
	for _, e := range t.entries {
		if e.account != nil {
			e.put("nTSecurityDescriptor", descriptor)
			e.hide("nTSecurityDescriptor")
		}
	}
}

// descriptor is one in the self-relative form, [MS-DTYP] 2.4.6, of the Administrators: they may
// do everything, whoever is logged in may read, and readers what is confidential.
func (t *tree) descriptor(readers map[string][]string) []byte {
	entries := [][]byte{
		accessEntry(allowed, maskAll, nil, sidAdministrators),
		accessEntry(allowed, maskReadProperty|maskReadControl, nil, sidAuthenticated),
	}
	for _, name := range slices.Sorted(maps.Keys(readers)) {
		for _, reader := range readers[name] {
			if a := t.bySAM[identity.Fold(reader)]; a != nil {
				object := binary.LittleEndian.AppendUint32(nil, objectPresent)
				object = append(object, schemaGUID(name)...)
				entries = append(entries, accessEntry(allowedObject, maskReadProperty|maskControlAccess, object, a.sid))
			}
		}
	}
	body := slices.Concat(entries...)
	const header, listHeader = 20, 8
	owner := sidAdministrators.Bytes()
	d := []byte{1, 0}
	d = binary.LittleEndian.AppendUint16(d, selfRelativeDACL)
	for _, offset := range []int{header, header, 0, header + len(owner)} { // owner, group, no SACL, DACL
		d = binary.LittleEndian.AppendUint32(d, uint32(offset))
	}
	d = append(d, owner...)
	d = append(d, 4, 0) // ACL_REVISION_DS
	d = binary.LittleEndian.AppendUint16(d, uint16(listHeader+len(body)))
	d = binary.LittleEndian.AppendUint16(d, uint16(len(entries)))
	return append(append(d, 0, 0), body...)
}

// accessEntry is an ACE, [MS-DTYP] 2.4.4.2 and 2.4.4.3.
func accessEntry(kind byte, mask uint32, object []byte, who identity.SID) []byte {
	body := slices.Concat(binary.LittleEndian.AppendUint32(nil, mask), object, who.Bytes())
	return append(binary.LittleEndian.AppendUint16([]byte{kind, 0}, uint16(4+len(body))), body...)
}

// schemaGUID is the schemaIDGUID of an attribute, by which access control lists name it.
func schemaGUID(name string) []byte { return guidOf("schemaIDGUID " + strings.ToLower(name)) }
