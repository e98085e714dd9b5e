package hearing

type alignment struct{}
type index struct{}

func (x *index) add(recording int, signal []float32) {}
func (r *recogniser) locate(u *Utterance)            {}
