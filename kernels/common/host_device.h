// Marks functions that kernels/cuda calls on the device too.
#pragma once

#ifdef __CUDACC__
#define AKIMBO_HD __host__ __device__
#else
#define AKIMBO_HD
#endif
