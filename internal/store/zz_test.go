package store
import ("testing";"os";"golang.org/x/sys/unix")
func TestZZ(t *testing.T){
	dir:=t.TempDir()
	if err:=unix.Mount("tmpfs",dir,"tmpfs",0,"size=1m"); err!=nil { t.Skip(err) }
	defer unix.Unmount(dir,0)
	s:=reopen(t,dir)
	l:=newLedger(t,s)
	for i:=range 1000 { if err:=l.send(s,newRandom(uint64(i))); err!=nil { t.Log(i,err, s.Err()); break } }
	s.Close()
	_=os.Remove
}
