package identity

// Fit is what a directory says of an account and a filter.
type Fit uint8

// FitUnknown comes first: what was never asked is not known, and neither is what
// the directory could not say.
const (
	FitUnknown Fit = iota
	FitNo
	FitYes
)

// Fitting is a directory's answer about one filter.
type Fitting struct {
	Filter string // as the configuration writes it
	Fit    Fit
}

// Fits gives the directory's answer about a filter, which it was asked with the
// account's entry.
func (a *Account) Fits(filter string) Fit {
	fit, _ := a.fitting(filter)
	return fit
}

// AskedFilter reports whether the directory was asked about a filter at all.
func (a *Account) AskedFilter(filter string) bool {
	_, asked := a.fitting(filter)
	return asked
}

func (a *Account) fitting(filter string) (fit Fit, asked bool) {
	if a.Details == nil {
		return FitUnknown, false
	}
	for i := range a.Details.Fittings {
		if a.Details.Fittings[i].Filter == filter {
			return a.Details.Fittings[i].Fit, true
		}
	}
	return FitUnknown, false
}
