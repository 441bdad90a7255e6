/*
 * Gives the BLAS of the wheel scipy-openblas32 the names that MLX looks for, on one thread: a second one would spin
 * beside the worker's own. Only for the benches on Linux, where the BLAS in MLX's wheel is 40 times slower.
 *
 *   cc -shared -fPIC -O2 -o FILE blas.c -LDIR -lscipy_openblas -Wl,-rpath,DIR
 */
#define FORWARD(name)                                                                                                  \
    extern void scipy_##name(void);                                                                                    \
    __attribute__((naked)) void name(void) { __asm__ volatile("jmp *scipy_" #name "@GOTPCREL(%rip)"); }

FORWARD(cblas_sgemm)
FORWARD(cblas_dgemm)
FORWARD(cblas_cgemm)

extern void scipy_openblas_set_num_threads(int threads);

__attribute__((constructor)) static void use_one_thread(void) { scipy_openblas_set_num_threads(1); }
